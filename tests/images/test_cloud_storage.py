"""Image store in Cloud Storage: failing uploads, metadata, and signed URLs."""

import gc
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import TransportError
from google.cloud import storage
from google.oauth2 import service_account

from shared.copy_errors import CopyError
from shared.images.gcs import (
    CACHE_CONTROL,
    MAX_CACHED_URLS,
    URL_MARGIN_SECONDS,
    URL_SECONDS,
    BucketImages,
    IamSigner,
    SignedUrls,
)
from shared.ports import FileDetails, StoredImage
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


# --- signed URLs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signed():
    return []


@pytest.fixture
def signing_store(bucket, watch, signed):
    def sign(blob, disposition):
        signed.append(blob.name)
        return f"https://signed.example/{blob.name}?number={len(signed)}"

    store = BucketImages(bucket, "", emulator=True, sign=sign, monotonic=watch)
    store.write(NAME, FakeStream(PNG))
    return store


async def test_a_signed_url_is_reused_until_shortly_before_it_expires(signing_store, watch, signed):
    first = await signing_store.read(NAME)
    watch.now += URL_SECONDS - URL_MARGIN_SECONDS
    second = await signing_store.read(NAME)
    assert first.url == second.url == f"https://signed.example/{NAME}?number=1"
    assert (first.seconds, second.seconds) == (URL_SECONDS, URL_MARGIN_SECONDS)
    assert (second.size, second.content_type, second.chunks) == (len(PNG), "image/png", None)
    watch.now += 1
    third = await signing_store.read(NAME)
    assert (third.url, third.seconds) == (f"https://signed.example/{NAME}?number=2", URL_SECONDS)


async def test_a_download_has_a_url_of_its_own(signing_store, signed):
    shown, saved = await signing_store.read(NAME), await signing_store.read(NAME, "attachment")
    assert (shown.url, saved.url) == tuple(f"https://signed.example/{NAME}?number={n}" for n in (1, 2))
    assert (await signing_store.read(NAME, "attachment")).url == saved.url
    await signing_store.delete(NAME)
    assert [await signing_store.read(NAME, how) for how in (None, "attachment")] == [None, None]


def test_an_object_has_its_details_beside_its_bytes(store, objects):
    store.write(NAME, FakeStream(PNG), FileDetails('inline; filename="a-cat.png"', {"jobId": "abc"}))
    stored = objects()[NAME]
    assert (stored.content_disposition, stored.metadata["jobId"]) == ('inline; filename="a-cat.png"', "abc")
    assert stored.cache_control.endswith("immutable")


async def test_nothing_is_signed_for_an_unknown_name(signing_store, signed):
    assert await signing_store.read("jobs/abc/1/9.png") is None
    assert not signed


async def test_the_url_of_a_deleted_image_is_not_reused(signing_store):
    await signing_store.read(NAME)
    await signing_store.delete(NAME)
    assert await signing_store.read(NAME) is None


def test_the_cache_of_urls_is_bounded(watch):
    urls = SignedUrls(watch)
    for number in range(MAX_CACHED_URLS + 10):
        urls.put(
            str(number), None, StoredImage(content_type="", size=0, crc32c="", url="https://x", seconds=URL_SECONDS)
        )
    assert urls.get("9") is None
    assert urls.get("10") is not None


async def test_a_failed_signature_is_a_copy_error(bucket, store):
    def fail(*_):
        raise TransportError("no permission")

    store.write(NAME, FakeStream(PNG))
    with pytest.raises(CopyError, match="TransportError"):
        await BucketImages(bucket, "", emulator=True, sign=fail).read(NAME)


class Recorded:
    """A blob that records how it is signed."""

    def __init__(self):
        self.calls = []

    def generate_signed_url(self, **arguments):
        self.calls.append(arguments)
        return "https://signed"


class Attached:
    """Credentials as on Google Cloud: the email is known after the first refresh."""

    service_account_email = "default"
    token = None
    valid = False
    refreshed = 0

    def refresh(self, _request):
        self.refreshed += 1
        self.token, self.valid = f"token-{self.refreshed}", True
        self.service_account_email = "poller@project.iam.gserviceaccount.com"


def test_iam_signs_with_our_own_email_and_a_valid_token():
    blob, credentials = Recorded(), Attached()
    sign = IamSigner(credentials)
    assert sign(blob, None) == sign(blob, None) == "https://signed"
    credentials.valid = False
    sign(blob, "attachment")
    assert [call["access_token"] for call in blob.calls] == ["token-1", "token-1", "token-2"]
    assert blob.calls[0] == {
        "version": "v4",
        "method": "GET",
        "expiration": 900,
        "response_disposition": None,
        "service_account_email": "poller@project.iam.gserviceaccount.com",
        "access_token": "token-1",
    }


def test_the_credentials_of_a_person_sign_nothing():
    class Personal:
        token, valid = "token", True

    assert IamSigner(Personal())(Recorded(), None) is None


async def test_a_signed_url_serves_the_bytes_for_fifteen_minutes(bucket):
    credentials = service_account_of_tests()

    def sign(blob, disposition):
        return blob.generate_signed_url(
            version="v4",
            method="GET",
            expiration=URL_SECONDS,
            response_disposition=disposition,
            credentials=credentials,
        )

    store = BucketImages(bucket, "", emulator=True, sign=sign)
    store.write(NAME, FakeStream(PNG))
    url = (await store.read(NAME)).url
    assert parse_qs(urlsplit(url).query)["X-Goog-Expires"] == ["900"]
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    assert response.content == PNG
    assert response.headers["content-type"] == "image/png"


def test_a_store_needs_neither_credentials_nor_a_network_before_it_is_used():
    BucketImages("bucket", "", emulator=False)


def service_account_of_tests():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    known = {"client_email": "tests@example.com", "token_uri": "https://oauth.example", "private_key": pem}
    return service_account.Credentials.from_service_account_info(known)
