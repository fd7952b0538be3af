"""An image in memory is measured by its bytes, and refused if they are not an image or too many."""

import hashlib

import google_crc32c
import pytest

from shared.copy_errors import CopyError, ImageRefused
from shared.error_codes import ErrorCode
from shared.images.chunks import CHUNK, encode_crc32c
from shared.images.formats import PNG
from shared.images.stream import MeasuredImageStream, image_from_bytes
from tests.images.bombs import bomb
from tests.images.sample_images import encoded, png_of_size


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
def test_an_image_in_memory_is_measured_like_a_download(way):
    content = encoded(way, 64, 48)
    image = image_from_bytes(content, max_bytes=len(content))
    assert b"".join(image.chunks()) == content
    measured = image.measured()
    assert (image.content_type, image.extension) == (f"image/{way}", {"jpeg": "jpg"}.get(way, way))
    assert (measured.width, measured.height, measured.size) == (64, 48, len(content))
    assert measured.sha256 == hashlib.sha256(content).hexdigest()
    assert measured.crc32c == encode_crc32c(google_crc32c.value(content))


def test_chunks_are_small():
    content = png_of_size(2 * CHUNK + 1)
    assert [len(chunk) for chunk in image_from_bytes(content, max_bytes=len(content)).chunks()] == [CHUNK, CHUNK, 1]


def test_nothing_is_measured_before_the_last_chunk():
    image = image_from_bytes(png_of_size(CHUNK + 1), max_bytes=2 * CHUNK)
    next(image.chunks())
    with pytest.raises(RuntimeError, match="last chunk"):
        image.measured()


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"<svg/>", b"%PDF-1.7", b"BM" + bytes(80)])
def test_bytes_that_are_not_an_image_are_refused(content):
    with pytest.raises(ImageRefused) as raised:
        image_from_bytes(content, max_bytes=1_000)
    assert raised.value.code is ErrorCode.NOT_AN_IMAGE


@pytest.mark.parametrize("content", [png_of_size(1_001), bytes(1_001)])
def test_too_many_bytes_are_refused_whatever_they_are(content):
    with pytest.raises(ImageRefused) as raised:
        image_from_bytes(content, max_bytes=1_000)
    assert raised.value.code is ErrorCode.IMAGE_TOO_LARGE


def test_an_image_in_memory_needs_no_end():
    content = encoded("png", 64, 48)[:-1]
    assert b"".join(image_from_bytes(content, max_bytes=len(content)).chunks()) == content


@pytest.mark.parametrize("framed", [False, True])
def test_an_image_from_elsewhere_needs_its_end_even_if_its_length_was_known(framed):
    content = encoded("png", 64, 48)[:-1]
    with pytest.raises(CopyError, match="before the image did"):
        list(MeasuredImageStream(PNG, [content], framed=framed).chunks())


def test_an_image_of_too_many_parts_is_refused_unless_it_is_in_memory():
    with pytest.raises(ImageRefused, match="too many parts") as raised:
        list(MeasuredImageStream(PNG, bomb("png chunks", 1_000_000), framed=True).chunks())
    assert raised.value.code is ErrorCode.NOT_AN_IMAGE
    content = b"".join(bomb("png chunks", 1_000_000))
    assert b"".join(image_from_bytes(content, max_bytes=len(content)).chunks()) == content
