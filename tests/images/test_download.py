"""A download returns the whole image, its type, its size, and its checksums, however it is transferred."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from shared.images.download import Downloader
from tests.images.fetching import MAX_BYTES, fetched
from tests.images.sample_images import encoded, png_of_size
from tests.images.site import chunked, response

PNG = png_of_size(200_000)
SAMPLES = Path(__file__).parents[1] / "samples" / "images"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """Yield the content in pieces of this size."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def gzipped(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a chunked response with Content-Encoding: gzip."""
    head, *rest = raw
    yield head.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    yield from rest


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
def test_a_downloaded_image_has_its_type_size_and_checksums(downloads, cdn, way):
    content = encoded(way, 64, 48)
    image, got = fetched(downloads, cdn.put("/cat", response(200, content, Content_Type="text/html")))
    measured = image.measured()
    assert got == content
    assert image.content_type == f"image/{way}"
    assert image.extension == {"jpeg": "jpg"}.get(way, way)
    assert (measured.width, measured.height, measured.size) == (64, 48, len(content))
    assert measured.sha256 == hashlib.sha256(content).hexdigest()


def test_the_checksum_has_the_format_of_cloud_storage(downloads, cdn):
    content = encoded("png", 1, 1)
    image, _ = fetched(downloads, cdn.put("/cat", response(200, content)))
    assert len(image.measured().crc32c) == 8
    assert image.measured().crc32c.endswith("==")


def test_nothing_is_measured_before_the_last_chunk(downloads, cdn):
    with downloads.open(cdn.put("/cat", response(200, PNG))) as image:
        next(image.chunks())
        with pytest.raises(RuntimeError, match="last chunk"):
            image.measured()


def test_chunks_are_small(downloads, cdn):
    with downloads.open(cdn.put("/cat", response(200, PNG))) as image:
        assert max(len(chunk) for chunk in image.chunks()) <= 256 * 1024


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
@pytest.mark.parametrize("length", ["true", None])
def test_bytes_after_the_end_of_the_image_are_kept(downloads, cdn, way, length):
    content = encoded(way, 64, 48) + b"trailing"
    _, got = fetched(downloads, cdn.put("/cat", response(200, content, length=length)))
    assert got == content


def test_a_chunked_body_needs_no_end_marker_of_the_image(downloads, cdn):
    without_end = encoded("jpeg", 64, 48)[:-2]
    url = cdn.on("/cat", lambda _: chunked([without_end[:100], without_end[100:]]))
    assert fetched(downloads, url)[1] == without_end


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
def test_a_body_that_ends_with_the_connection_is_complete_if_the_image_is(downloads, cdn, way):
    content = encoded(way, 64, 48)
    assert fetched(downloads, cdn.put("/cat", response(200, content, length=None)))[1] == content


def raw_deflate(content: bytes) -> bytes:
    """Compress as some servers do for "deflate", against RFC 9110: without the zlib header."""
    return zlib.compress(content, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
@pytest.mark.parametrize("content", [PNG, png_of_size(1_000) + bytes(MAX_BYTES - 1_000)], ids=["dense", "hollow"])
def test_an_unrequested_compression_is_inflated(downloads, cdn, encoding, compress, content):
    body = compress(content)
    image, got = fetched(downloads, cdn.put("/cat", response(200, body, Content_Encoding=encoding)))
    assert cdn.requests[0].headers["accept-encoding"] == "identity"
    assert got == content
    assert image.measured().size == len(content)


def test_a_gzip_body_has_all_of_its_members(downloads, cdn):
    body = (SAMPLES / "two-members.png.gz").read_bytes()
    url = cdn.put("/cat", response(200, body, Content_Type="image/png", Content_Encoding="gzip"))
    assert fetched(downloads, url)[1] == (SAMPLES / "two-members-expected.png").read_bytes()


@pytest.mark.parametrize("members", [1, 3, 100])
@pytest.mark.parametrize("padding", [b"", bytes(512)])
def test_members_may_have_any_size_and_padding_may_follow(downloads, cdn, members, padding):
    size = len(PNG) // members + 1
    body = b"".join(gzip.compress(PNG[start : start + size]) for start in range(0, len(PNG), size)) + padding
    for raw in ([response(200, body, Content_Encoding="gzip")], [*gzipped(chunked(pieces(body, 7_001)))]):
        assert fetched(downloads, cdn.put("/cat", *raw))[1] == PNG


@pytest.mark.parametrize(
    ("encoding", "layers"),
    [
        ("gzip, gzip", 2),
        ("gzip,deflate", 2),
        ("identity, gzip", 1),
        ("GZIP, aws-chunked", 1),
        ("gzip, gzip, x-gzip", 3),
    ],
)
def test_a_list_of_content_encodings_is_decoded(downloads, cdn, encoding, layers):
    body = PNG
    for _ in range(layers):
        body = gzip.compress(body)
    assert fetched(downloads, cdn.put("/cat", response(200, body, Content_Encoding=encoding)))[1] == PNG


@pytest.mark.parametrize("size", [64, 1_400])
def test_chunks_as_small_as_those_of_a_slow_network_are_accepted(watch, size):
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=pieces(PNG, size)))
    with httpx.Client(transport=transport) as client:
        downloads = Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch)
        assert fetched(downloads, "https://cdn.example/cat")[1] == PNG


def test_an_image_of_the_maximum_size_is_accepted(downloads, cdn):
    content = png_of_size(MAX_BYTES)
    assert fetched(downloads, cdn.put("/cat", response(200, content)))[1] == content
