"""Image store in Cloud Storage: metadata of objects, failing uploads, and input images."""

import gc

import pytest
from google.cloud import storage

from shared.copy_errors import CopyError
from shared.images.gcs import CACHE_CONTROL, BucketImages
from shared.ports import FileDetails
from tests.images.sample_images import FakeStream, png_of_size
from tests.images.upload_faults import UploadFaults, chunk, last_chunk, start_of_upload

NAME = "jobs/abc/1/0.png"
PNG = png_of_size(2_500_000)


@pytest.fixture
def faults(storage_server, bucket, monkeypatch):
    with UploadFaults(storage_server) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.fixture
def store(bucket):
    return BucketImages(bucket, "", emulator=True)


@pytest.fixture
def objects(bucket, storage_server):
    """Return the objects of the bucket, bypassing any proxy: name → blob."""
    with storage.Client(project=None, client_options={"api_endpoint": storage_server}) as client:
        yield lambda: {blob.name: blob for blob in client.list_blobs(bucket)}


def test_an_object_has_its_content_type_and_may_be_cached(store, objects):
    store.write(NAME, FakeStream(PNG, content_type="image/webp"))
    assert objects()[NAME].content_type == "image/webp"
    assert objects()[NAME].cache_control == CACHE_CONTROL


@pytest.mark.parametrize("prefix", ["some/prefix", "/some/prefix/"])
def test_objects_have_the_prefix(bucket, objects, prefix):
    BucketImages(bucket, prefix, emulator=True).write(NAME, FakeStream(PNG))
    assert list(objects()) == [f"some/prefix/{NAME}"]


def test_an_object_has_its_details_beside_its_bytes(store, objects):
    store.write(NAME, FakeStream(PNG), FileDetails('inline; filename="a-cat.png"', {"jobId": "abc"}))
    stored = objects()[NAME]
    assert (stored.content_disposition, stored.metadata["jobId"]) == ('inline; filename="a-cat.png"', "abc")
    assert stored.cache_control.endswith("immutable")


def test_a_store_needs_neither_credentials_nor_a_network_before_it_is_used():
    BucketImages("bucket", "", emulator=False)


# --- uploads that go wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [503, 429, 500, "cut"])
@pytest.mark.parametrize("where", [start_of_upload, chunk, last_chunk])
def test_a_temporary_failure_is_retried(faults, store, objects, where, fault):
    faults.spoil(where, fault)
    store.write(NAME, FakeStream(PNG))
    assert faults.spoiled == 1
    assert objects()[NAME].size == len(PNG)


@pytest.mark.parametrize("where", [start_of_upload, chunk, last_chunk])
@pytest.mark.parametrize("status", [403, 410, 412])
def test_a_rejected_upload_stores_nothing_and_can_be_retried(faults, store, objects, where, status):
    faults.spoil(where, status)
    with pytest.raises(CopyError, match="could not be stored") as raised:
        store.write(NAME, FakeStream(PNG))
    assert raised.value.__cause__ is not None
    assert not objects()
    store.write(NAME, FakeStream(PNG))
    assert objects()[NAME].size == len(PNG)


@pytest.mark.parametrize("status", [403, 410, 412])
def test_an_error_after_the_upload_is_ignored_if_the_object_is_this_image(faults, store, objects, status):
    faults.spoil(last_chunk, "lost")
    faults.spoil(last_chunk, status)
    store.write(NAME, FakeStream(PNG))
    assert faults.spoiled == 2
    assert list(objects()) == [NAME]


@pytest.mark.parametrize("where", [start_of_upload, chunk])
def test_an_error_before_the_upload_is_ignored_if_the_object_is_this_image(faults, store, where):
    store.write(NAME, FakeStream(PNG))
    faults.spoil(where, 412)
    store.write(NAME, FakeStream(PNG))


@pytest.mark.parametrize("where", [start_of_upload, chunk, last_chunk])
def test_an_error_is_raised_if_the_object_is_another_image(faults, store, where):
    store.write(NAME, FakeStream(png_of_size(len(PNG) + 1)))
    faults.spoil(where, 412)
    with pytest.raises(CopyError, match="another image"):
        store.write(NAME, FakeStream(PNG))


def test_an_image_truncated_while_it_is_compared_raises_its_error(faults, store):
    store.write(NAME, FakeStream(PNG))
    faults.spoil(start_of_upload, 412)
    cut = CopyError("cut")
    with pytest.raises(CopyError) as raised:
        store.write(NAME, FakeStream(PNG, cut))
    assert raised.value is cut


def test_a_truncated_image_sends_no_last_chunk(faults, store):
    with pytest.raises(CopyError):
        store.write(NAME, FakeStream(png_of_size(5_000_000), CopyError("cut")))
    assert any(chunk(request) for request in faults.forwarded)
    assert not any(last_chunk(request) for request in faults.forwarded)


def test_an_error_contains_no_upload_url(faults, store):
    faults.spoil(chunk, 403)
    with pytest.raises(CopyError) as raised:
        store.write(NAME, FakeStream(PNG))
    assert "upload_id" not in str(raised.value)
    assert "http" not in str(raised.value)


async def test_a_rejected_read_is_a_copy_error(faults, store):
    faults.spoil(lambda _: True, 403, times=2)
    with pytest.raises(CopyError, match="Forbidden"):
        await store.read(NAME)
    with pytest.raises(CopyError, match="Forbidden"):
        await store.names("abc")


# --- input images --------------------------------------------------------------------------------------------------


def reading(request):
    return request[0] == "GET" and "alt=media" in request[1]


def deleting(request):
    return request[0] == "DELETE"


@pytest.fixture
def refused_downloads():
    """Collect garbage now: the client leaves the connections of failed downloads to the garbage collector."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.usefixtures("refused_downloads")
@pytest.mark.parametrize("fault", [503, 429, 500, "cut", "lost"])
@pytest.mark.parametrize("where", [reading, deleting])
async def test_a_temporary_failure_of_a_read_or_delete_is_retried(faults, store, objects, where, fault):
    store.write(NAME, FakeStream(PNG))
    faults.spoil(where, fault)
    assert await store.content(NAME) == PNG
    await store.delete(NAME)
    assert faults.spoiled == 1
    assert not objects()


async def test_reading_and_deleting_cost_one_request_each_and_name_no_generation(faults, store):
    store.write(NAME, FakeStream(PNG))
    faults.forwarded.clear()
    await store.content(NAME)
    await store.delete(NAME)
    assert [request[0] for request in faults.forwarded] == ["GET", "DELETE"]
    assert not any("eneration" in request[1] for request in faults.forwarded)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.usefixtures("refused_downloads")
@pytest.mark.parametrize("status", [401, 403, 412])
async def test_a_rejected_request_is_a_copy_error_without_a_url(faults, store, status):
    store.write(NAME, FakeStream(PNG))
    for where, call in ((reading, store.content), (deleting, store.delete)):
        faults.spoil(where, status)
        with pytest.raises(CopyError) as raised:
            await call(NAME)
        assert "http" not in str(raised.value)
        assert raised.value.__cause__ is not None
    assert await store.content(NAME) == PNG
