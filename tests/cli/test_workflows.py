"""One prompt and one input image through each workflow: the image shows its input."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from PIL import Image

from functions.simulator.images import IMAGE_DESCRIPTION
from tests.cli.command import Command, Result
from tests.simulator.real import running

PRO = {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "resolution": "4K"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Silent."""


@pytest.fixture
def cat(command: Command) -> Path:
    """`cat.png` in the folder of the command."""
    path = command.folder / "cat.png"
    Image.effect_mandelbrot((320, 200), (-2.0, -1.5, 1.0, 1.5), 40).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def wireflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("simulator") / "log", SIMULATOR_RUN_SECONDS="1") as (url, _):
        yield url


@pytest.fixture
def site(command: Command) -> Iterator[str]:
    """The folder of the command as a website."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=command.folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def live(wireflow: str, *hosts: str) -> dict[str, str]:
    return {
        "WIREFLOW_BASE_URL": f"{wireflow}/api/v1",
        "WIREFLOW_WEBHOOK_ID": "demo-webhook",
        "WIREFLOW_API_KEY": "sk-simulator",
        "WIREFLOW_WORKFLOWS": json.dumps({"large": PRO}),
        "IMAGE_HOSTS": ",".join(url.removeprefix("http://") for url in (wireflow, *hosts)),
        "ALLOW_PRIVATE_NETWORK": "true",
    }


def image_of(result: Result, command: Command) -> Path:
    """The only file that was written."""
    assert result.code == 0, result.err
    (line,) = (line for line in result.err.splitlines() if line.startswith("images/"))
    return command.folder / line


def job_of(result: Result) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(result.out)
    return job


def last_run(wireflow: str) -> dict[str, Any]:
    run: dict[str, Any] = httpx.get(f"{wireflow}/_runs").json()["runs"][-1]
    return run


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("workflow", "size"),
    [
        ("default", (1024, 1024)),
        pytest.param("pro", (2048, 1152), marks=pytest.mark.slow),
        pytest.param("saved", (1024, 1024), marks=pytest.mark.slow),
    ],
)
def test_the_image_of_each_workflow_shows_its_input(command: Command, cat: Path, workflow: str, size: tuple[int, int]):
    arguments = ("a cat in winter", "--workflow", workflow, "--image", "cat.png")
    result = command.run("run", *arguments, "--json", "--out", "images")
    with Image.open(image_of(result, command)) as image:
        assert image.getexif()[IMAGE_DESCRIPTION] == f"input sha256 {sha256(cat)}"
        assert image.size == size
    assert job_of(result)["workflow"] == workflow


@pytest.mark.slow
def test_live_the_workflows_are_those_of_the_environment_and_a_job_goes_on_from_an_earlier_one(
    command: Command, cat: Path, wireflow: str
):
    arguments = ("--live", "--json", "--out", "images")
    first = command.run("run", "a cat", "--workflow", "large", "--image", "cat.png", *arguments, **live(wireflow))
    first_image = image_of(first, command)
    assert last_run(wireflow)["input"] == sha256(cat)
    assert last_run(wireflow)["endpoint"] == "execute"
    with Image.open(first_image) as image:
        assert image.size == (4096, 4096)

    second = command.run("run", "now as a comic", "--image", job_of(first)["id"], *arguments, **live(wireflow))
    assert second.code == 0, second.err
    assert last_run(wireflow)["input"] == sha256(first_image)


def test_an_image_at_a_url_is_fetched_and_shown(command: Command, cat: Path, wireflow: str, site: str):
    image = f"{site}/cat.png"
    settings = live(wireflow, site)
    result = command.run("run", "a cat", "--image", image, "--live", "--json", "--out", "images", **settings)
    assert result.code == 0, result.err
    assert last_run(wireflow)["input"] == sha256(cat)


def test_an_unknown_workflow_is_invalid_usage(command: Command):
    result = command.run("run", "a cat", "--workflow", "best")
    assert (result.code, result.out) == (2, "")
    assert "default, pro, saved" in result.err


def test_an_unknown_job_is_invalid_usage(command: Command, wireflow: str):
    result = command.run("run", "a cat", "--image", "0" * 32, "--live", **live(wireflow))
    assert (result.code, result.out) == (2, "")
    assert "fromJob" in result.err


def test_authentication_settings_do_not_keep_run_out(command: Command):
    auth = {"TRIGGER_TOKENS": json.dumps({"zapier": "a" * 64}), "FORM_ORIGINS": "https://a.example"}
    result = command.run("run", "a cat", TRIGGER_PUBLIC="true", **auth)
    assert result.code == 0, result.err


def test_bytes_that_are_not_utf_8_are_rejected_with_a_file_too(command: Command, cat: Path):
    result = command.run("run", "a c\udce4t", "--image", "cat.png")
    assert (result.code, result.out) == (2, "")
    assert "UTF-8" in result.err
    assert "UTF-8" in command.run("run", "a c\udce4t").err
