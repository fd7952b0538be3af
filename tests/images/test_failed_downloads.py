"""A download that fails says whether it can be retried: truncated bodies can, refused images cannot."""

import gzip
import tracemalloc
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.content_coding import MAX_MEMBERS, PIECE
from shared.copy_errors import CopyError, ImageRefused
from shared.error_codes import ErrorCode
from shared.images.download import COPY_SECONDS, Downloader
from tests.images.bombs import BOMBS, bomb
from tests.images.conftest import Watch
from tests.images.fetching import MAX_BYTES, fetched, refusal
from tests.images.sample_images import encoded, png_of_size
from tests.images.site import Request, chunked, response

PNG = png_of_size(200_000)
SAMPLES = Path(__file__).parents[1] / "samples" / "images"


# --- truncated images can be retried ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
@pytest.mark.parametrize("missing", [1, 20])
def test_a_body_truncated_by_the_connection_is_detected(downloads, cdn, way, missing):
    content = encoded(way, 64, 48)
    with pytest.raises(CopyError, match="before the image did"):
        fetched(downloads, cdn.put("/cat", response(200, content[:-missing], length=None)))


@pytest.mark.parametrize("name", ["png-cut-half.bin", "avif-cut-half.bin", "png-head-only.bin"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_part_of_an_image_with_a_matching_length_is_detected(downloads, cdn, name, encoding):
    body = (SAMPLES / name).read_bytes()
    body = gzip.compress(body) if encoding == "gzip" else body
    error = refusal(downloads, cdn.put("/cat", response(200, body, Content_Encoding=encoding)))
    assert type(error) is CopyError


@pytest.mark.parametrize("way", ["png", "palette png", "webp", "lossless webp", "webp with exif", "gif", "avif"])
@pytest.mark.parametrize("missing", [1, 20, 0.5, 0.9])
def test_a_part_of_an_image_in_a_complete_transfer_is_detected(downloads, cdn, way, missing):
    content = encoded(way, 64, 48)
    part = content[: -int(missing if missing >= 1 else len(content) * missing)]
    for raw in ([response(200, part)], [*chunked([part])]):
        with pytest.raises(CopyError, match="before the image did"):
            fetched(downloads, cdn.put("/cat", *raw))


def test_a_jpeg_that_lacks_only_its_end_marker_is_accepted(downloads, cdn):
    content = encoded("jpeg", 64, 48)
    assert fetched(downloads, cdn.put("/cat", response(200, content[:-2])))[1] == content[:-2]
    progressive = encoded("progressive jpeg", 64, 48)
    assert type(refusal(downloads, cdn.put("/cat", response(200, progressive[: len(progressive) // 2])))) is CopyError
    without_pixels = content[: content.index(b"\xff\xda")]
    assert type(refusal(downloads, cdn.put("/cat", response(200, without_pixels)))) is CopyError


def test_a_body_shorter_than_declared_is_detected(downloads, cdn):
    error = refusal(downloads, cdn.put("/cat", response(200, PNG, length=len(PNG) + 1)))
    assert type(error) is CopyError


def test_a_chunked_body_without_its_end_is_detected(downloads, cdn):
    error = refusal(downloads, cdn.on("/cat", lambda _: chunked([PNG], ended=False)))
    assert type(error) is CopyError


@pytest.mark.parametrize("seen", [0, 1, 5, 11])
@pytest.mark.parametrize("length", [len(PNG), None])
def test_a_body_truncated_before_its_type_is_known_can_be_retried(downloads, cdn, seen, length):
    error = refusal(downloads, cdn.put("/cat", response(200, PNG[:seen], length=length)))
    assert type(error) is CopyError


def test_an_empty_body_can_be_retried(downloads, cdn):
    assert type(refusal(downloads, cdn.put("/cat", response(200, b"")))) is CopyError


def test_a_truncated_compressed_body_is_detected(downloads, cdn):
    body = gzip.compress(PNG)[:-1_000]
    error = refusal(downloads, cdn.put("/cat", response(200, body, Content_Encoding="gzip")))
    assert type(error) is CopyError


@pytest.mark.parametrize("cut", [1, 8, 30_000])
def test_a_body_truncated_in_its_last_member_is_detected(downloads, cdn, cut):
    body = gzip.compress(PNG[:100_000]) + gzip.compress(PNG[100_000:])
    error = refusal(downloads, cdn.put("/cat", response(200, body[:-cut], Content_Encoding="gzip")))
    assert type(error) is CopyError


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "zstd", "gzip, br", "gzip, gzip", "deflate, gzip", ", ".join(["gzip"] * 100)]
)
def test_an_invalid_content_encoding_can_be_retried(downloads, cdn, encoding):
    error = refusal(downloads, cdn.put("/cat", response(200, PNG, Content_Encoding=encoding)))
    assert type(error) is CopyError


@pytest.mark.parametrize("encoding", ["unknown", "aws-chunked, other"])
def test_a_body_of_an_unknown_content_encoding_is_read_as_it_is(downloads, cdn, encoding):
    assert fetched(downloads, cdn.put("/cat", response(200, PNG, Content_Encoding=encoding)))[1] == PNG
    error = refusal(downloads, cdn.put("/cat", response(200, PNG[::-1], Content_Encoding=encoding)))
    assert type(error) is CopyError


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"])
def test_a_truncated_or_invalid_header_can_be_retried(downloads, cdn, raw):
    assert type(refusal(downloads, cdn.put("/cat", raw))) is CopyError


@pytest.mark.parametrize("status", [201, 204, 206, 304, 402, 408, 418, 429, 500, 502, 503])
def test_any_other_status_can_be_retried_and_no_other_route_is_taken(downloads, cdn, wireflow, status):
    error = refusal(downloads, cdn.put("/cat", response(status)))
    assert type(error) is CopyError
    assert str(status) in str(error)
    assert len(cdn.requests) == 1
    assert not wireflow.requests


def test_a_closed_port_can_be_retried(downloads, cdn):
    url = cdn.put("/cat", response(200, PNG))
    cdn._server.shutdown()
    cdn._server.server_close()
    assert type(refusal(downloads, url)) is CopyError


def test_a_server_that_stops_responding_times_out(downloads, cdn, client):
    silence = []

    def hang(_: Request):
        yield response(200, PNG[:50_000], length=len(PNG))
        while not silence:
            yield b""

    client.timeout = httpx.Timeout(0.2)
    error = refusal(downloads, cdn.on("/cat", hang))
    silence.append("over")
    assert type(error) is CopyError
    assert "ReadTimeout" in str(error)


def trickling(watch: Watch, speed: int, fast: int, *, has_length: bool, pause: int = 5) -> httpx.Client:
    """A server that sends the first bytes of the image at once, and then so many a second, after pauses of seconds."""

    def body() -> Iterator[bytes]:
        yield PNG[:fast]
        for start in range(fast, len(PNG), pause * speed):
            watch.now += pause
            yield PNG[start : start + pause * speed]

    headers = {"content-length": f"{len(PNG)}"} if has_length else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=body()))
    return httpx.Client(transport=transport)


def test_a_slow_body_times_out_between_two_chunks(watch):
    with trickling(watch, 120, 150_000, has_length=True, pause=80) as client:
        error = refusal(
            Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch), "https://cdn.example/cat"
        )
    assert type(error) is CopyError
    assert f"took longer than {COPY_SECONDS:.0f} s" in str(error)


@pytest.mark.parametrize(("speed", "fast", "has_length"), [(10, 0, True), (490, 0, True), (490, 0, False)])
def test_a_download_that_is_too_slow_to_end_in_time_is_given_up_after_20_s(watch, speed, fast, has_length):
    began = watch()
    with trickling(watch, speed, fast, has_length=has_length) as client:
        downloads = Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch)
        error = refusal(downloads, "https://cdn.example/cat")
    assert type(error) is CopyError
    assert "too slowly" in str(error)
    assert watch() - began == 25.0


@pytest.mark.parametrize(
    ("speed", "fast", "has_length"), [(900, 0, True), (900, 0, False), (510, 80_000, True), (100, 180_000, True)]
)
def test_a_slow_download_that_ends_in_time_is_complete(watch, speed, fast, has_length):
    with trickling(watch, speed, fast, has_length=has_length) as client:
        downloads = Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch)
        assert fetched(downloads, "https://cdn.example/cat")[1] == PNG


def test_slow_routes_time_out(downloads, cdn, wireflow, watch):
    def slow(_: Request):
        watch.now += COPY_SECONDS / 2 + 1
        return [response(403)]

    error = refusal(downloads, cdn.on("/cat", slow))
    assert type(error) is CopyError
    assert not wireflow.requests


# --- refused images are not retried -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"<!doctype html><html><body>Sign in</body></html>", b'{"error":"expired"}', b"gone", b"BM" + b"\0" * 80]
)
def test_a_body_that_is_not_an_image_is_refused_whatever_its_content_type(downloads, cdn, body):
    error = refusal(downloads, cdn.put("/cat", response(200, body, Content_Type="image/png")))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.NOT_AN_IMAGE
    assert len(cdn.requests) == 1


def test_an_image_declared_too_large_is_refused_before_its_body(downloads, cdn):
    error = refusal(downloads, cdn.put("/cat", response(200, b"", length=MAX_BYTES + 1)))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize("compressed", [False, True])
def test_an_image_that_turns_out_too_large_is_refused_while_it_is_read(downloads, cdn, compressed):
    content = PNG[:-12] + b"\0" * (MAX_BYTES * 100 if compressed else MAX_BYTES)
    raw = (
        [response(200, gzip.compress(content), Content_Encoding="gzip")]
        if compressed
        else [*chunked([content], ended=False)]
    )
    error = refusal(downloads, cdn.put("/cat", *raw))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_a_body_that_inflates_a_millionfold_is_refused_in_bounded_memory(downloads, cdn, layers):
    body = PNG[:1_000] + bytes(64 * MAX_BYTES)
    for _ in range(layers):
        body = gzip.compress(body)
    url = cdn.put("/cat", response(200, body, Content_Encoding=", ".join(["gzip"] * layers)))
    fetched(downloads, cdn.put("/dog", response(200, gzip.compress(PNG), Content_Encoding="gzip")))  # imports modules
    tracemalloc.start()
    try:
        with pytest.raises(ImageRefused) as raised, downloads.open(url) as image:
            deque(image.chunks(), maxlen=0)  # kept nowhere
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert raised.value.code is ErrorCode.IMAGE_TOO_LARGE
    assert peak < (layers + 2) * PIECE


def test_a_coding_whose_content_has_no_content_is_refused(downloads, cdn):
    """The outer coding yields gigabytes of empty members; the inner one yields nothing."""
    body = gzip.compress(gzip.compress(b"") * 100_000)
    error = refusal(downloads, cdn.put("/cat", response(200, body, Content_Encoding="gzip, gzip")))
    assert isinstance(error, CopyError)
    assert "members" in str(error) or "bytes" in str(error)


def test_empty_members_are_bounded(downloads, cdn):
    body = gzip.compress(b"") * (MAX_MEMBERS + 1)
    error = refusal(downloads, cdn.put("/cat", response(200, body[:MAX_BYTES], Content_Encoding="gzip")))
    assert type(error) is CopyError


@pytest.mark.parametrize("name", BOMBS)
def test_an_image_of_too_many_parts_is_refused(downloads, cdn, name):
    body = b"".join(bomb(name, MAX_BYTES - 70_000))
    error = refusal(downloads, cdn.put("/cat", response(200, body)))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.NOT_AN_IMAGE


def test_a_body_in_too_many_chunks_can_be_retried(watch):
    def one_byte_at_a_time():
        for at in range(len(PNG)):
            yield PNG[at : at + 1]

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=one_byte_at_a_time()))
    with httpx.Client(transport=transport) as client:
        downloads = Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch)
        error = refusal(downloads, "https://cdn.example/cat")
    assert type(error) is CopyError
    assert "too many chunks" in str(error)


def test_a_compressed_body_without_content_times_out(downloads, cdn, watch):
    def empty_blocks(_: Request):
        yield response(200, length=None, Content_Encoding="gzip")
        yield gzip.compress(b"")[:10]
        while True:
            watch.now += COPY_SECONDS / 10
            yield b"\0\0\0\xff\xff"

    assert "240 s" in str(refusal(downloads, cdn.on("/cat", empty_blocks)))
