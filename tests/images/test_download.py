"""A download hands over a whole image of a known type, or says why not: gone, refused, or try again."""

import gzip
import hashlib
import zlib

import httpx
import pytest

from shared.error_codes import ErrorCode
from shared.images.download import COPY_SECONDS
from shared.ports import CopyError, ImageRefused
from tests.images.fetching import MAX_BYTES, fetched, refusal
from tests.images.sample_images import encoded, png_of_size
from tests.images.site import Asked, answer, chunked

PNG = png_of_size(200_000)


# --- whole images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
def test_a_picture_comes_with_what_is_known_of_it(downloads, cdn, way):
    content = encoded(way, 64, 48)
    image, got = fetched(downloads, cdn.put("/cat", answer(200, content, Content_Type="text/html")))
    measured = image.measured()
    assert got == content
    assert image.content_type == f"image/{way}"
    assert image.extension == {"jpeg": "jpg"}.get(way, way)
    assert (measured.width, measured.height, measured.size) == (64, 48, len(content))
    assert measured.sha256 == hashlib.sha256(content).hexdigest()


def test_the_checksum_is_written_as_cloud_storage_does(downloads, cdn):
    content = encoded("png", 1, 1)
    image, _ = fetched(downloads, cdn.put("/cat", answer(200, content)))
    assert len(image.measured().crc32c) == 8
    assert image.measured().crc32c.endswith("==")


def test_nothing_is_measured_before_the_last_chunk(downloads, cdn):
    with downloads.open(cdn.put("/cat", answer(200, PNG))) as image:
        next(image.chunks())
        with pytest.raises(RuntimeError, match="last chunk"):
            image.measured()


def test_chunks_are_small(downloads, cdn):
    with downloads.open(cdn.put("/cat", answer(200, PNG))) as image:
        assert max(len(chunk) for chunk in image.chunks()) <= 256 * 1024


@pytest.mark.parametrize("length", ["true", None])
def test_bytes_after_the_end_belong_to_the_image(downloads, cdn, length):
    content = encoded("jpeg", 64, 48) + b"trailing"
    _, got = fetched(downloads, cdn.put("/cat", answer(200, content, length=length)))
    assert got == content


def test_chunked_bodies_have_an_end_of_their_own(downloads, cdn):
    without_end = encoded("jpeg", 64, 48)[:-2]
    url = cdn.on("/cat", lambda _: chunked([without_end[:100], without_end[100:]]))
    assert fetched(downloads, url)[1] == without_end


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
def test_a_body_that_ends_with_the_connection_is_whole_when_the_picture_is(downloads, cdn, way):
    content = encoded(way, 64, 48)
    assert fetched(downloads, cdn.put("/cat", answer(200, content, length=None)))[1] == content


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("content", [PNG, png_of_size(1_000) + bytes(MAX_BYTES - 1_000)], ids=["dense", "hollow"])
def test_a_body_that_is_compressed_all_the_same_is_inflated(downloads, cdn, encoding, compress, content):
    body = compress(content)
    image, got = fetched(downloads, cdn.put("/cat", answer(200, body, Content_Encoding=encoding)))
    assert cdn.asked[0].headers["accept-encoding"] == "identity"
    assert got == content
    assert image.measured().size == len(content)


# --- images that stop short: try again ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
@pytest.mark.parametrize("missing", [1, 20])
def test_a_body_that_ends_early_with_the_connection_is_noticed(downloads, cdn, way, missing):
    content = encoded(way, 64, 48)
    with pytest.raises(CopyError, match="before the image did"):
        fetched(downloads, cdn.put("/cat", answer(200, content[:-missing], length=None)))


def test_a_body_shorter_than_declared_is_noticed(downloads, cdn):
    error = refusal(downloads, cdn.put("/cat", answer(200, PNG, length=len(PNG) + 1)))
    assert type(error) is CopyError


def test_a_chunked_body_without_its_end_is_noticed(downloads, cdn):
    error = refusal(downloads, cdn.on("/cat", lambda _: chunked([PNG], ended=False)))
    assert type(error) is CopyError


@pytest.mark.parametrize("seen", [0, 1, 5, 11])
@pytest.mark.parametrize("length", [len(PNG), None])
def test_a_body_that_is_cut_before_its_type_is_known_may_be_tried_again(downloads, cdn, seen, length):
    error = refusal(downloads, cdn.put("/cat", answer(200, PNG[:seen], length=length)))
    assert type(error) is CopyError


def test_an_empty_body_may_be_tried_again(downloads, cdn):
    assert type(refusal(downloads, cdn.put("/cat", answer(200, b"")))) is CopyError


def test_a_compressed_body_that_stops_short_is_noticed(downloads, cdn):
    body = gzip.compress(PNG)[:-1_000]
    error = refusal(downloads, cdn.put("/cat", answer(200, body, Content_Encoding="gzip")))
    assert type(error) is CopyError


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_body_whose_encoding_makes_no_sense_may_be_tried_again(downloads, cdn, encoding):
    error = refusal(downloads, cdn.put("/cat", answer(200, PNG, Content_Encoding=encoding)))
    assert type(error) is CopyError


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"])
def test_a_cut_or_senseless_header_may_be_tried_again(downloads, cdn, raw):
    assert type(refusal(downloads, cdn.put("/cat", raw))) is CopyError


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 418, 429, 500, 502, 503])
def test_any_other_status_may_be_tried_again_and_no_other_route_is_taken(downloads, cdn, wireflow, status):
    error = refusal(downloads, cdn.put("/cat", answer(status)))
    assert type(error) is CopyError
    assert str(status) in str(error)
    assert len(cdn.asked) == 1
    assert not wireflow.asked


def test_a_closed_port_may_be_tried_again(downloads, cdn):
    url = cdn.put("/cat", answer(200, PNG))
    cdn._server.shutdown()
    cdn._server.server_close()
    assert type(refusal(downloads, url)) is CopyError


def test_a_server_that_never_answers_is_left(downloads, cdn, client):
    silence = []

    def hang(_: Asked):
        yield answer(200, PNG[:50_000], length=len(PNG))
        while not silence:
            yield b""

    client.timeout = httpx.Timeout(0.2)
    error = refusal(downloads, cdn.on("/cat", hang))
    silence.append("over")
    assert type(error) is CopyError
    assert "ReadTimeout" in str(error)


def test_a_copy_that_takes_too_long_is_given_up_between_two_pieces(downloads, cdn, watch):
    def trickle(_: Asked):
        yield answer(200, length=len(PNG))
        for start in range(0, len(PNG), 10_000):
            watch.now += COPY_SECONDS / 3
            yield PNG[start : start + 10_000]

    error = refusal(downloads, cdn.on("/cat", trickle))
    assert type(error) is CopyError
    assert "240 s" in str(error)


def test_a_copy_that_takes_too_long_on_its_way_is_given_up(downloads, cdn, wireflow, watch):
    def slow(_: Asked):
        watch.now += COPY_SECONDS / 2 + 1
        return [answer(403)]

    error = refusal(downloads, cdn.on("/cat", slow))
    assert type(error) is CopyError
    assert not wireflow.asked


# --- images that we do not keep: at once -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"<!doctype html><html><body>Sign in</body></html>", b'{"error":"expired"}', b"gone", b"BM" + b"\0" * 80]
)
def test_what_is_not_a_picture_is_refused_whatever_it_calls_itself(downloads, cdn, body):
    error = refusal(downloads, cdn.put("/cat", answer(200, body, Content_Type="image/png")))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.NOT_AN_IMAGE
    assert len(cdn.asked) == 1


def test_a_picture_that_is_declared_too_large_is_refused_before_its_bytes_come(downloads, cdn):
    error = refusal(downloads, cdn.put("/cat", answer(200, b"", length=MAX_BYTES + 1)))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize("compressed", [False, True])
def test_a_picture_that_turns_out_too_large_is_refused_while_it_comes(downloads, cdn, compressed):
    content = PNG[:-12] + b"\0" * (MAX_BYTES * 100 if compressed else MAX_BYTES)
    raw = (
        [answer(200, gzip.compress(content), Content_Encoding="gzip")]
        if compressed
        else [*chunked([content], ended=False)]
    )
    error = refusal(downloads, cdn.put("/cat", *raw))
    assert isinstance(error, ImageRefused)
    assert error.code is ErrorCode.IMAGE_TOO_LARGE


def test_a_picture_of_just_the_limit_is_kept(downloads, cdn):
    content = png_of_size(MAX_BYTES)
    assert fetched(downloads, cdn.put("/cat", answer(200, content)))[1] == content
