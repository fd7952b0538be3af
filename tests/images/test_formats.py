"""Type, size, and end of an image are found from its bytes alone, in chunks of any size."""

import io
import random
import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.images.formats import BYTES_PER_STEP, FORMATS, HEAD_BYTES, MAX_READ, MIN_STEPS, ImageProbe, sniff
from tests.images.bombs import BOMBS, bomb
from tests.images.sample_images import WAYS_TO_SAVE, encoded, png_of_size

SIZES = [(1, 1), (64, 48), (37, 211)]
IMAGES = {(way, *size): encoded(way, *size) for way in WAYS_TO_SAVE for size in SIZES} | {
    ("animated gif", 20, 10): encoded("gif", 20, 10, frames=3),
    ("animated webp", 20, 10): encoded("webp", 20, 10, frames=3),
    ("animated avif", 20, 10): encoded("avif", 20, 10, frames=3),
}
images = pytest.mark.parametrize(("way", "width", "height"), IMAGES)


def probed(content: bytes, *cuts: int) -> ImageProbe:
    kind = sniff(content[:HEAD_BYTES])
    assert kind, "the type was not recognized"
    probe = ImageProbe(kind)
    edges = [0, *sorted(cuts), len(content)]
    for start, end in pairwise(edges):
        probe.feed(content[start:end])
    return probe


def findings(probe: ImageProbe) -> tuple[int | None, int | None, bool]:
    return probe.width, probe.height, probe.ended


@images
def test_type_and_size_agree_with_pillow(way, width, height):
    content = IMAGES[way, width, height]
    kind = sniff(content[:HEAD_BYTES])
    with Image.open(io.BytesIO(content)) as image:
        assert kind is not None
        assert kind.content_type == Image.MIME[image.format]
        assert findings(probed(content)) == (*image.size, True)
        assert image.size == (width, height)


@images
def test_an_image_without_its_last_bytes_has_not_ended(way, width, height):
    content = IMAGES[way, width, height]
    for missing in [*range(1, min(len(content) - HEAD_BYTES, 64)), len(content) // 2]:
        assert not probed(content[:-missing]).ended, f"{missing} bytes fewer"


@images
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_the_size_of_chunks_makes_no_difference(way, width, height, data):
    content = IMAGES[way, width, height]
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=20))
    assert findings(probed(content, *cuts)) == (width, height, True)


@images
def test_one_byte_at_a_time_makes_no_difference(way, width, height):
    content = IMAGES[way, width, height]
    assert findings(probed(content, *range(len(content)))) == (width, height, True)


@pytest.mark.parametrize("way", ["png", "jpeg", "webp", "gif", "avif"])
@settings(deadline=None, max_examples=30)
@given(trailing=st.binary(min_size=1, max_size=50) | st.sampled_from([b"\n", bytes(16), b"trailing text, not a box"]))
def test_bytes_after_the_end_change_nothing(way, trailing):
    content = IMAGES[way, 64, 48]
    assert findings(probed(content + trailing, len(content))) == (64, 48, True)


@pytest.mark.parametrize("kind", [b"mdat", b"uuid", b"free"])
def test_a_box_after_an_avif_must_be_complete(kind):
    box = (100).to_bytes(4, "big") + kind + bytes(92)
    assert probed(IMAGES["avif", 64, 48] + box).ended
    for length in (8, 50, 99):
        assert not probed(IMAGES["avif", 64, 48] + box[:length]).ended


def test_an_avif_whose_box_extends_to_the_end_of_the_file_never_ends():
    content = IMAGES["avif", 64, 48]
    at = content.index(b"mdat") - 4
    open_ended = content[:at] + b"\0\0\0\0" + content[at + 4 :]
    assert findings(probed(open_ended)) == (64, 48, False)
    assert probed(open_ended).open_ended, "only the transfer can tell"
    assert not probed(open_ended[:at]).open_ended, "without any data"


def test_an_avif_may_have_its_data_in_its_description():
    """https://www.iso.org/standard/83650.html (HEIF), `idat`."""
    head, meta = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", bytes(4) + b"\0\0\0\x0cidat\1\2\3\4"
    box = (len(meta) + 8).to_bytes(4, "big") + b"meta" + meta
    assert probed(head + box).ended
    assert not probed((head + box)[:-1]).ended


@pytest.mark.parametrize("way", ["jpeg", "progressive jpeg", "jpeg with exif and comment"])
def test_a_jpeg_without_its_end_marker_is_open_ended(way):
    content = IMAGES[way, 64, 48]
    assert probed(content[:-2]).open_ended
    assert probed(content[:-1]).open_ended
    for missing in [content.index(b"\xff\xda"), content.index(b"\xff\xda") + 5, 30]:
        assert not probed(content[:missing]).open_ended, "no pixels yet"


def test_a_progressive_jpeg_that_lacks_a_scan_is_not_open_ended():
    content = IMAGES["progressive jpeg", 64, 48]
    *_, last_scan = (found.start() for found in re.finditer(rb"\xff\xda", content))
    assert probed(content[: last_scan + 20]).open_ended
    for missing in [last_scan, last_scan // 2, content.index(b"\xff\xda") + 200]:
        assert not probed(content[:missing]).open_ended


def test_a_jpeg_with_a_scan_for_each_component_needs_them_all():
    frame = b"\xff\xc0\x00\x0e\x08\0\x30\0\x40\2" + b"\1\x11\0" + b"\2\x11\0"
    scans = [b"\xff\xda\0\x08\1" + bytes([component]) + b"\0\0\x3f\0" + b"pixels" for component in (1, 2)]
    assert not probed(b"\xff\xd8" + frame + scans[0]).open_ended
    assert not probed(b"\xff\xd8" + frame + scans[0] * 2).open_ended
    assert probed(b"\xff\xd8" + frame + scans[0] + scans[1]).open_ended
    assert findings(probed(b"\xff\xd8" + frame)) == (64, 48, False)


@pytest.mark.parametrize("way", ["png", "webp", "lossless webp", "gif", "avif"])
def test_no_other_format_may_lack_its_end(way):
    content = IMAGES[way, 64, 48]
    for missing in range(1, len(content) - HEAD_BYTES, 7):
        assert not probed(content[:-missing]).open_ended, f"{missing} bytes fewer"


def test_a_webp_that_claims_to_end_within_its_first_chunk_has_no_end():
    content = IMAGES["webp", 64, 48]
    assert not probed(content[:4] + (30).to_bytes(4, "little") + content[8:]).ended


# --- images that are nothing but small parts ------------------------------------------------------------------------


class CountingProbe(ImageProbe):
    """Counts its steps."""

    steps = 0

    def _execute(self, command):
        self.steps += 1
        return super()._execute(command)


@pytest.mark.parametrize("name", BOMBS)
def test_the_steps_and_the_memory_of_parsing_are_bounded(name):
    size, chunks = 0, bomb(name, 2_000_000)
    first = next(chunks)
    probe = CountingProbe(sniff(first[:HEAD_BYTES]))
    tracemalloc.start()
    try:
        for chunk in [first, *chunks]:
            probe.feed(chunk)
            size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert probe.gave_up
    assert not probe.ended
    assert probe.steps < MIN_STEPS + size / BYTES_PER_STEP
    assert peak - size < 4 * MAX_READ  # the chunks themselves are in memory


@pytest.mark.parametrize(("blocks", "length"), [(60_000, 255), (9_000, 1), (2_000, 60)])
def test_what_encoders_write_is_parsed_to_its_end(blocks, length):
    content = (
        b"GIF89a\1\0\1\0\0\0\0" + (b"\x2c" + bytes(9) + b"\2") + (bytes([length]) + bytes(length)) * blocks + b"\0\x3b"
    )
    probe = CountingProbe(sniff(content[:HEAD_BYTES]))
    probe.feed(content)
    assert probe.ended
    assert probe.steps <= blocks + 10, "one step for a block"


def test_an_animation_of_many_small_frames_is_parsed_to_its_end():
    frame = b"\x21\xf9\4\0\0\0\0\0" + b"\x2c" + bytes(9) + b"\2\2\x44\1\0"
    content = b"GIF89a\1\0\1\0\0\0\0" + frame * 1_000 + b"\x3b"
    assert probed(content).ended


HEADS = [content[:HEAD_BYTES] for content in IMAGES.values()]


@settings(deadline=None)
@given(
    head=st.sampled_from(HEADS), keep=st.integers(12, HEAD_BYTES), rest=st.binary(max_size=2_000), cut=st.integers(0, 9)
)
def test_garbage_after_a_valid_header_raises_nothing(head, keep, rest, cut):
    content = head[:keep] + rest
    probed(content, cut)


@settings(deadline=None)
@given(way=st.sampled_from(list(IMAGES)), seed=st.integers(), cut=st.integers(0, 500))
def test_a_damaged_image_raises_nothing_whatever_the_chunks(way, seed, cut):
    content = bytearray(IMAGES[way])
    damage = random.Random(seed)
    for _ in range(5):
        content[damage.randrange(12, len(content))] = damage.randrange(256)
    if sniff(bytes(content[:HEAD_BYTES])):
        assert findings(probed(bytes(content), min(cut, len(content)))) == findings(probed(bytes(content)))


@given(st.binary(max_size=200))
def test_sniffing_anything_raises_nothing(head):
    assert sniff(head) in {None, *FORMATS}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!doctype html><html>",
        b'{"error":"not found"}',
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"BM\x36\0\0\0",
        b"II*\0",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\x89PNG\r\n",
    ],
)
def test_an_unsupported_format_is_none(head):
    assert sniff(head) is None


def test_an_avif_brand_may_come_second():
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf").content_type == "image/avif"


@pytest.mark.parametrize("content", [png_of_size(4_000_000), IMAGES["jpeg", 64, 48] + b"\0" * 4_000_000])
def test_the_buffer_is_bounded(content):
    probe = ImageProbe(sniff(content[:HEAD_BYTES]))
    chunks = [content[start : start + 65_536] for start in range(0, len(content), 65_536)]
    tracemalloc.start()
    try:
        for chunk in chunks:
            probe.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_READ


def test_each_extension_and_content_type_belongs_to_one_format():
    assert len({kind.extension for kind in FORMATS}) == len({kind.content_type for kind in FORMATS}) == len(FORMATS)
