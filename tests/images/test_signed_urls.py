"""Signed URLs of the image store in Cloud Storage: who signs them, and how long they are reused."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import TransportError
from google.oauth2 import service_account

from shared.copy_errors import CopyError
from shared.images.gcs import MAX_CACHED_URLS, URL_MARGIN_SECONDS, URL_SECONDS, BucketImages, IamSigner, SignedUrls
from shared.ports import StoredImage
from tests.images.sample_images import FakeStream, png_of_size

NAME = "jobs/abc/1/0.png"
PNG = png_of_size(2_500_000)


@pytest.fixture
def store(bucket):
    return BucketImages(bucket, "", emulator=True)


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


def service_account_of_tests():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    known = {"client_email": "tests@example.com", "token_uri": "https://oauth.example", "private_key": pem}
    return service_account.Credentials.from_service_account_info(known)
