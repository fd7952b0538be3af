"""The contract of `shared.ports.ImageStore`, tested with every implementation."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import pytest

from shared.copy_errors import CopyError, ImageRefused, NameTaken
from shared.error_codes import ErrorCode
from shared.images.chunks import encode_crc32c
from shared.images.directory import DirectoryImages
from shared.images.gcs import BucketImages
from tests.images.sample_images import FakeStream, encoded, png_of_size

MIB = 1024 * 1024
NAME = "jobs/abc/1/0.png"
INPUT = f"inputs/{'0123456789abcdef' * 2}"
PNG = png_of_size(3 * MIB + 5)
OTHER = png_of_size(3 * MIB + 6)


@pytest.fixture(params=["directory", "cloud_storage"])
def store(request, tmp_path):
    if request.param == "directory":
        return DirectoryImages(tmp_path / "images")
    return BucketImages(request.getfixturevalue("bucket"), "some/prefix", emulator=True)


async def content(store, name=NAME, start=0):
    """Return all bytes from `start` on, as a caller reads them."""
    stored = await store.read(name)
    return stored and b"".join([chunk async for chunk in stored.chunks(start)])


async def test_a_stored_image_can_be_read(store):
    store.write(NAME, FakeStream(PNG))
    stored = await store.read(NAME)
    assert (stored.content_type, stored.size) == ("image/png", len(PNG))
    assert stored.crc32c == encode_crc32c(google_crc32c.value(PNG))
    assert stored.url is None
    assert await content(store) == PNG


@pytest.mark.parametrize("start", [1, MIB - 1, MIB, 3 * MIB + 4, 3 * MIB + 5])
async def test_an_image_can_be_read_from_any_byte_on(store, start):
    store.write(NAME, FakeStream(PNG))
    assert await content(store, start=start) == PNG[start:]


@pytest.mark.parametrize("size", [68, MIB - 1, MIB, MIB + 1, 2 * MIB])
async def test_an_image_of_any_size_is_stored_completely(store, size):
    store.write(NAME, FakeStream(png_of_size(size)))
    assert await content(store) == png_of_size(size)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif"])
async def test_the_content_type_is_kept(store, kind):
    extension = {"jpeg": "jpg"}.get(kind, kind)
    for name in (f"jobs/abc/1/0.{extension}", INPUT):
        store.write(name, FakeStream(encoded(kind, 64, 48), content_type=f"image/{kind}"))
        assert (await store.read(name)).content_type == f"image/{kind}"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif"])
async def test_a_stored_image_can_be_measured(store, kind):
    image = encoded(kind, 64, 48)
    store.write(NAME, FakeStream(image))
    with store.open(NAME) as stream:
        assert b"".join(stream.chunks()) == image
        measured = stream.measured()
    assert stream.content_type == f"image/{kind}"
    assert (measured.width, measured.height, measured.size) == (64, 48, len(image))
    assert (measured.sha256, measured.crc32c) == (
        hashlib.sha256(image).hexdigest(),
        encode_crc32c(google_crc32c.value(image)),
    )


async def test_a_large_stored_image_is_measured_in_small_chunks(store):
    store.write(NAME, FakeStream(PNG))
    with store.open(NAME) as stream:
        sizes = [len(chunk) for chunk in stream.chunks()]
    assert sum(sizes) == len(PNG)
    assert max(sizes) <= MIB


@pytest.mark.parametrize("other", [None, b"not an image" * 10])
async def test_what_is_not_a_stored_image_cannot_be_measured(store, other):
    if other:
        store.write(NAME, FakeStream(other))
    with pytest.raises(CopyError), store.open(NAME):
        pass


@pytest.mark.parametrize("name", ["../x.png", "jobs/../../x.png", "/x.png", ""])
async def test_nothing_outside_the_store_can_be_measured(store, name, tmp_path):
    (tmp_path / "x.png").write_bytes(PNG)
    with pytest.raises(CopyError), store.open(name):
        pass


async def test_an_unknown_name_is_none(store):
    assert await store.read(NAME) is None


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "jobs//0.png", "jobs/../../x", "jobs", "jobs/"])
async def test_a_name_outside_the_store_is_none(store, name, tmp_path):
    (tmp_path / "x").write_text("secret")
    store.write(NAME, FakeStream(PNG))
    assert await store.read(name) is None


async def test_writing_the_same_image_again_succeeds(store):
    store.write(NAME, FakeStream(PNG))
    store.write(NAME, FakeStream(PNG))
    assert await content(store) == PNG


@pytest.mark.parametrize("other", [OTHER, PNG[:-1] + b"\0", PNG[:-1], png_of_size(100)])
async def test_another_image_never_replaces_a_stored_one(store, other):
    store.write(NAME, FakeStream(PNG))
    with pytest.raises(CopyError, match="another image"):
        store.write(NAME, FakeStream(other))
    assert await content(store) == PNG


@pytest.mark.parametrize("size", [1_000, 3 * MIB, 6 * MIB])
@pytest.mark.parametrize("error", [CopyError("cut"), ImageRefused(ErrorCode.IMAGE_TOO_LARGE, "long")])
async def test_a_truncated_image_is_not_stored_and_raises_its_error(store, size, error):
    with pytest.raises(CopyError) as raised:
        store.write(NAME, FakeStream(png_of_size(size), error))
    assert raised.value is error
    assert await store.read(NAME) is None
    assert await store.names("abc") == []


async def test_an_image_can_be_written_after_a_truncated_one(store):
    with pytest.raises(CopyError):
        store.write(NAME, FakeStream(PNG, CopyError("cut")))
    store.write(NAME, FakeStream(PNG))
    assert await content(store) == PNG


async def test_a_truncated_image_does_not_replace_a_stored_one(store):
    store.write(NAME, FakeStream(PNG))
    with pytest.raises(CopyError):
        store.write(NAME, FakeStream(PNG, CopyError("cut")))
    assert await content(store) == PNG


async def test_sixteen_writers_of_one_image_all_succeed(store):
    results = at_once(store, [PNG] * 16)
    assert results == [None] * 16
    assert await store.names("abc") == [NAME]
    assert await content(store) == PNG


async def test_of_sixteen_writers_of_different_images_one_wins(store):
    images = [png_of_size(MIB + number) for number in range(16)]
    results = at_once(store, images)
    assert results.count(None) == 1
    assert [type(error) for error in results].count(NameTaken) == 15
    assert await content(store) == images[results.index(None)]


# --- input images: read as a whole, and deleted --------------------------------------------------------------------


@pytest.mark.parametrize("size", [68, MIB, 3 * MIB + 5])
@pytest.mark.parametrize("name", [NAME, INPUT])
async def test_the_content_has_all_bytes(store, name, size):
    store.write(name, FakeStream(png_of_size(size)))
    assert await store.content(name) == png_of_size(size)


@pytest.mark.parametrize("name", [INPUT, "inputs", "jobs", "../x", f"{INPUT}/0"])
async def test_an_unknown_name_has_no_content(store, name, tmp_path):
    (tmp_path / "x").write_text("secret")
    assert await store.content(name) is None
    store.write(f"{INPUT}0", FakeStream(PNG))
    assert await store.content(name) is None


async def test_a_deleted_image_is_gone_and_its_name_can_be_used_again(store):
    store.write(INPUT, FakeStream(PNG))
    await store.delete(INPUT)
    assert await store.content(INPUT) is None
    assert await store.read(INPUT) is None
    store.write(INPUT, FakeStream(OTHER))
    assert await store.content(INPUT) == OTHER


async def test_deleting_twice_succeeds(store):
    store.write(INPUT, FakeStream(PNG))
    await store.delete(INPUT)
    await store.delete(INPUT)


@pytest.mark.parametrize("name", [INPUT, "inputs", "../x", f"{INPUT}0/0"])
async def test_nothing_else_is_deleted(store, name, tmp_path):
    (tmp_path / "x").write_text("precious")
    store.write(f"{INPUT}0", FakeStream(PNG))
    await store.delete(name)
    assert await store.content(f"{INPUT}0") == PNG
    assert (tmp_path / "x").read_text() == "precious"


async def test_concurrent_deletes_succeed(store):
    store.write(INPUT, FakeStream(PNG))
    await asyncio.gather(*(store.delete(INPUT) for _ in range(8)))
    assert await store.content(INPUT) is None


async def test_an_input_image_is_not_among_the_images_of_its_job(store):
    store.write(INPUT, FakeStream(PNG))
    assert await store.names(INPUT.removeprefix("inputs/")) == []


# --- erasure -------------------------------------------------------------------------------------------------------


async def test_all_images_of_a_job_are_deleted_and_no_other(store):
    gone = [NAME, "jobs/abc/2/10.webp", "inputs/abc", "inputs/abc.0123456789abcdef", "inputs/abc-2"]
    kept = ["jobs/abcd/1/0.png", "jobs/ab/1/0.png", "inputs/abcd", "inputs/ab"]
    for name in gone + kept:
        store.write(name, FakeStream(png_of_size(100)))
    await store.delete_job("abc")
    assert [name for name in gone + kept if await store.content(name)] == kept
    await store.delete_job("abc")


@pytest.mark.parametrize("job_id", ["", ".", "..", "../jobs", "abc/1", "abc/", "*", "/"])
async def test_an_invalid_job_id_deletes_nothing(store, job_id):
    for name in (NAME, "inputs/abc"):
        store.write(name, FakeStream(png_of_size(100)))
    await store.delete_job(job_id)
    assert await store.content(NAME)
    assert await store.content("inputs/abc")


# --- names ---------------------------------------------------------------------------------------------------------


async def test_only_the_names_of_one_job_are_listed(store):
    for name in ["jobs/abc/2/10.png", "jobs/abc/1/1.webp", NAME, "jobs/ab/1/0.png", "jobs/abcd/1/0.png"]:
        store.write(name, FakeStream(png_of_size(100)))
    assert await store.names("abc") == [NAME, "jobs/abc/1/1.webp", "jobs/abc/2/10.png"]
    assert await store.names("unknown") == []


@pytest.mark.parametrize("job_id", ["", ".", "..", "../jobs/abc", "abc/1", "abc/", "*", "/"])
async def test_an_invalid_job_id_has_no_names(store, job_id):
    store.write(NAME, FakeStream(PNG))
    assert await store.names(job_id) == []


async def test_an_image_can_be_read_concurrently(store):
    store.write(NAME, FakeStream(PNG))
    first, second = [(await store.read(NAME)).chunks(0) for _ in range(2)]
    assert await anext(first) == (await anext(second))
    await first.aclose()
    assert await content(store) == PNG
    await second.aclose()


def at_once(store, contents):
    """Write to NAME concurrently; return None or the error for each writer."""
    with ThreadPoolExecutor(len(contents)) as pool:
        running = [pool.submit(store.write, NAME, FakeStream(content)) for content in contents]
        return [each.exception() for each in running]
