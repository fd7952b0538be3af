"""Image files are named after their prompt and never overwrite another file."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from functions.cli.errors import SaveFailed
from functions.cli.files import save_images, slug

CONTENT = b"an image"


class ImageServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_arguments: Any) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ImageServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def job(url: str | None, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> dict[str, Any]:
    image = {"index": 0, "url": url, "contentType": "image/jpeg", "sha256": sha256}
    return {"id": "1f3a9c" + "0" * 26, "prompt": "A fox", "images": [image]}


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A golden retriever in a sunlit meadow, photorealistic", "a-golden-retriever-in-a-sunlit-meadow"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden\x00\n", "hidden"),
        ("Ein Kätzchen", "ein-kätzchen"),
        ("草地上的金毛犬", "草地上的金毛犬"),
        ("x" * 300, "x" * 40),
        ("!!!", "image"),
    ],
)
def test_the_first_words_of_the_prompt_become_the_name(prompt: str, name: str):
    assert slug(prompt) == name


def test_an_existing_file_is_never_overwritten(url: str, tmp_path: Path):
    (tmp_path / "a-fox-1f3a9c.jpg").write_text("mine")
    (path,) = save_images(job(url), tmp_path)
    assert path == tmp_path / "a-fox-1f3a9c-again1.jpg"
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "a-fox-1f3a9c.jpg").read_text() == "mine"


def test_bytes_with_another_checksum_leave_no_file(url: str, tmp_path: Path):
    with pytest.raises(SaveFailed):
        save_images(job(url, sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_not_stored_is_skipped(tmp_path: Path):
    assert save_images(job(None), tmp_path) == []
