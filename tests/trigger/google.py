"""A stand-in for Google: keys, certificates, and ID tokens as it signs them, and what the trigger makes of them."""

import base64
import json
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt
from google.auth import jwt as google_jwt

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import NOON, Instance, StubServer, identify, request

ACCOUNT, AUDIENCE = "events@project.iam.gserviceaccount.com", "https://trigger.example"
EVENT = Caller(CallerKind.EVENT, "event")
CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": AUDIENCE,
    "azp": "1234567890",
    "sub": "1234567890",
    "email": ACCOUNT,
    "email_verified": True,
    "iat": int(NOON.timestamp()) - 60,
    "exp": int(NOON.timestamp()) + 3_540,
}


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """Return the key of this name; creating one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "federated-signon.example")])
    builder = x509.CertificateBuilder(subject, subject, key(name).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOON - timedelta(days=1)).not_valid_after(NOON + timedelta(days=14))
    return builder.sign(key(name), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def jwk(name: str, **changes: str) -> dict[str, str]:
    numbers = key(name).public_key().public_numbers()
    e, n = (encoded(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.e, numbers.n))
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "e": e, "n": n, **changes}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def token(name: str = "key-1", kid: str | None = None, **changes: Any) -> str:
    signer = crypt.RSASigner(key(name), key_id=kid or name)
    return google_jwt.encode(signer, {**CLAIMS, **changes}).decode()


def unsigned(**changes: Any) -> str:
    return f"{token(**changes).rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def settings(google: StubServer, *, public: bool | None, event: bool = True) -> AuthSettings:
    account, audience = (ACCOUNT, AUDIENCE) if event else (None, None)
    return AuthSettings(
        event_account=account,
        event_audience=audience,
        certs_url=google.url,
        public=public,
        origins=("https://shop.example",),
        on_cloud_run=True,
    )


async def caller(instance: Instance, bearer: str, **headers: str) -> Caller:
    sent = request(headers={"Authorization": f"Bearer {bearer}", **headers}, peer="169.254.8.129")
    return await identify(instance.authenticator, sent, b"{}", None)


async def problem(instance: Instance, bearer: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await caller(instance, bearer)
    return caught.value


async def is_invalid(instance: Instance, bearer: str) -> bool:
    return 'error="invalid_token"' in (await problem(instance, bearer)).headers["WWW-Authenticate"]
