"""`--image` is a file, a URL, or a job ID; anything else is rejected with what to give instead."""

from pathlib import Path

import click
import pytest

from functions.cli.input_image import ImageFile, InputImage, InputImageType
from shared.wireflow.client import UPLOAD_LIMIT

PNG = b"\x89PNG\r\n\x1a\n" + bytes(80)
JOB = "0123456789abcdef" * 2


def parse(value: object) -> InputImage:
    return InputImageType().convert(str(value), None, None)


def test_an_existing_file_is_sent_as_a_file(tmp_path: Path):
    (tmp_path / "cat").write_bytes(PNG)
    image = parse(tmp_path / "cat")
    assert image.file == ImageFile(PNG, "image/png")
    assert image.fields == {}


def test_a_file_is_a_file_whatever_its_name_looks_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path(JOB).write_bytes(PNG)
    assert parse(JOB).file is not None


@pytest.mark.parametrize(
    "url", ["https://example.com/cat.png", "HTTP://127.0.0.1:80/cat?a=b", f"https://a.example/{JOB * 200}"]
)
def test_a_url_is_sent_unchanged(url: str):
    assert parse(url).fields == {"image1": url}


def test_thirty_two_hexadecimal_digits_are_a_job_id():
    assert parse(JOB).fields == {"fromJob": JOB}


@pytest.mark.parametrize(
    "text", ["cat.png", "", JOB[:-1], JOB.upper(), "ftp://example.com/cat.png", "https://", "a\0b"]
)
def test_anything_else_is_rejected_with_what_to_give_instead(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.BadParameter, match="https://, or the ID of an earlier job"):
        parse(text)


@pytest.mark.parametrize("content", [b"", b"a poem", b"%PDF-1.7"])
def test_a_file_that_is_not_an_image_is_rejected(content: bytes, tmp_path: Path):
    (tmp_path / "poem").write_bytes(content)
    with pytest.raises(click.BadParameter, match=r"is not an image of a supported type\. Supported types: PNG, JPG"):
        parse(tmp_path / "poem")


def test_a_folder_is_rejected(tmp_path: Path):
    with pytest.raises(click.BadParameter, match="Cannot read"):
        parse(tmp_path)


@pytest.mark.parametrize(("more", "accepted"), [(0, True), (1, False)])
def test_a_file_may_be_as_large_as_wireflow_accepts(more: int, accepted: bool, tmp_path: Path):
    with (tmp_path / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(UPLOAD_LIMIT + more)
    if accepted:
        assert parse(tmp_path / "large.png").file is not None
        return
    with pytest.raises(click.BadParameter, match="larger than 25 MiB"):
        parse(tmp_path / "large.png")
