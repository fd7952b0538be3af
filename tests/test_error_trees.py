"""Adapters raise the errors of their port only, whatever the libraries below them raise."""

import asyncio
import errno
import socket
import sqlite3
import ssl
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import h11
import httpcore
import httpx
import idna
import pytest

from shared import egress
from shared.copy_errors import CopyError, UrlNotAllowed
from shared.images.chunks import read_chunks
from shared.images.directory import DirectoryImages
from shared.images.download import Downloader
from shared.jobs.sqlite import SqliteJobs
from shared.ports import ImageMeasurements, ImageStream
from shared.store_errors import StoreError
from shared.wireflow import errors
from shared.wireflow.client import WireflowClient
from shared.workflows import Mode, Workflow
from tests.harness.virtual_time import VirtualClock, run
from tests.jobs.places import NOW, a_job

LOWER = [
    OSError(errno.EIO, "input/output error"),
    ConnectionResetError("reset"),
    BrokenPipeError("broken"),
    TimeoutError("late"),
    socket.gaierror(-2, "no such name"),
    ssl.SSLError("bad record"),
    ssl.SSLCertVerificationError("self-signed"),
    UnicodeError("label too long"),
    UnicodeDecodeError("ascii", b"\xff", 0, 1, "not ASCII"),
    idna.IDNAError("Codepoint U+2603 not allowed"),
    idna.InvalidCodepoint("Codepoint not allowed"),
    ValueError("Port out of range 0-65535"),
    OverflowError("too large"),
    zlib.error("incorrect header check"),
    EOFError("end"),
    LookupError("unknown encoding"),
    KeyError("location"),
    TypeError("not a string"),
    h11.RemoteProtocolError("illegal header"),
    httpcore.RemoteProtocolError("illegal status line"),
    httpx.ReadError("reset"),
    httpx.InvalidURL("Invalid port"),
    httpx.TooManyRedirects("three"),
    httpx.DecodingError("gzip"),
    httpx.StreamClosed(),
    httpx.CookieConflict("two"),
]
TRANSLATED = (zlib.error, h11.RemoteProtocolError, httpcore.RemoteProtocolError)  # by httpx, for its client
NAMES = [type(error).__name__ for error in LOWER]
WEBHOOK = Workflow(name="default", mode=Mode.WEBHOOK, id="hook")


class Raising(httpx.BaseTransport):
    """A transport that raises, on the request or while the body is read."""

    def __init__(self, error: Exception, *, in_body: bool) -> None:
        self.error, self.in_body = error, in_body

    def handle_request(self, _request: httpx.Request) -> httpx.Response:
        if not self.in_body:
            raise self.error
        return httpx.Response(200, stream=_Body(self.error))


class _Body(httpx.SyncByteStream):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        yield b"\x89PNG\r\n\x1a\n" + bytes(100)
        raise self.error


def download(client: httpx.Client, url: str = "https://cdn.example/cat.png") -> None:
    with Downloader(client, base_url=None, max_bytes=10_000).open(url) as image:
        for _ in image.chunks():
            pass


@pytest.mark.parametrize("in_body", [False, True])
@pytest.mark.parametrize("error", LOWER, ids=NAMES)
def test_a_download_raises_copy_errors(error: Exception, in_body: bool) -> None:
    client = httpx.Client(transport=Raising(error, in_body=in_body))
    with pytest.raises(CopyError) as raised:
        download(client)
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://☃.example/a.png",
        "https://" + "a" * 64 + ".example/a.png",
        "https://xn--/a.png",
        "https://a..b/a.png",
        "https://example.com:99999/a.png",
        "https://[::1/a.png",
        "https://[fe80::1%25eth0]/a.png",
        "https://\ud800.example/",
        "https:///a.png",
        "//",
        "",
    ],
)
def test_a_url_that_cannot_be_one_is_a_copy_error_in_the_request_and_in_a_redirect(url: str) -> None:
    client = egress.client([], any_public=True, resolve=lambda _host, _port: [])
    with pytest.raises(CopyError):
        download(client, url)
    location = url.encode("utf-8", "surrogatepass")

    def redirect(request: httpx.Request) -> httpx.Response:
        if request.url.host == "cdn.example":
            return httpx.Response(302, headers=[(b"location", location)])
        raise httpx.ConnectError("not reached")

    with pytest.raises(CopyError):
        download(httpx.Client(transport=httpx.MockTransport(redirect)))


@pytest.mark.parametrize("error", [error for error in LOWER if isinstance(error, OSError | ValueError)], ids=repr)
def test_egress_raises_its_own_errors_and_those_of_httpx(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise error

    client = egress.client([], any_public=True, resolve=resolve)
    with pytest.raises((egress.EgressRefused, httpx.TransportError)):
        client.get("https://example.com/")


def call_wireflow(error: Exception, call: str) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    async def main() -> None:
        client = WireflowClient(
            "https://wireflow.test/api/v1", "hook", "key", VirtualClock(), transport=httpx.MockTransport(answer)
        )
        calls: dict[str, Any] = {
            "start": lambda: client.start(WEBHOOK, {"prompt": "a cat"}, "job.1"),
            "describe_inputs": lambda: client.describe_inputs(WEBHOOK),
            "upload_image": lambda: client.upload_image(b"image", "image/png"),
            "poll": lambda: client.poll("exec"),
            "details": lambda: client.details("exec"),
        }
        await calls[call]()

    run(main())


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("start", (errors.OutcomeUnknown, errors.Unavailable)),
        ("describe_inputs", errors.Unavailable),
        ("upload_image", errors.Unavailable),
        ("poll", errors.PollError),
        ("details", errors.PollError),
    ],
)
@pytest.mark.parametrize("error", [error for error in LOWER if not isinstance(error, TRANSLATED)], ids=repr)
def test_the_client_of_wireflow_raises_its_tree(call: str, expected: Any, error: Exception) -> None:
    with pytest.raises(expected):
        call_wireflow(error, call)


def test_a_body_that_is_no_json_was_never_sent() -> None:
    async def main() -> None:
        client = WireflowClient("https://wireflow.test/api/v1", "hook", "key", VirtualClock())
        for body in ({"seed": float("nan")}, {"prompt": "\ud800"}, {"file": b"bytes"}):
            with pytest.raises(errors.RequestRefused):
                await client.start(WEBHOOK, body, "job.1")

    run(main())


class Image(ImageStream):
    content_type, extension = "image/png", "png"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def chunks(self) -> Iterator[bytes]:
        yield b"bytes"
        raise self.error

    def measured(self) -> ImageMeasurements:
        raise AssertionError


@pytest.mark.parametrize("error", LOWER, ids=NAMES)
def test_the_folder_of_images_raises_copy_errors(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(CopyError):
        DirectoryImages(tmp_path).write("jobs/1/1/0.png", Image(error))
    assert not list((tmp_path / "jobs/1/1").glob("*.png"))


@pytest.mark.parametrize("error", LOWER, ids=NAMES)
def test_reading_a_stored_image_raises_copy_errors(error: Exception) -> None:
    def open_file() -> Any:
        raise error

    async def main() -> None:
        async for _ in read_chunks(open_file):
            pass

    with pytest.raises(CopyError):
        asyncio.run(main())


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("locked"), sqlite3.DatabaseError("malformed"), OSError("full")], ids=str
)
def test_sqlite_raises_store_errors(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_args: object, **_options: object) -> Any:
        raise error

    async def main() -> None:
        store = SqliteJobs(tmp_path / "jobs.db")
        monkeypatch.setattr(sqlite3, "connect", connect)
        for call in (store.create(a_job()), store.get("x"), store.due(NOW + timedelta(1), 1), store.read_gate()):
            with pytest.raises(StoreError):
                await call

    asyncio.run(main())


def test_a_host_that_is_not_allowed_is_told_from_one_that_fails() -> None:
    client = egress.client([], any_public=True, resolve=lambda _host, _port: ["10.0.0.1"])
    with pytest.raises(UrlNotAllowed):
        download(client)
