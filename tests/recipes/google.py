"""A stand-in for Google: it signs identity tokens with a key of our own and serves the certificates."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from tests.recipes.small_server import Answer, serving

ACCOUNT, AUDIENCE = "events@project.iam.gserviceaccount.com", "https://trigger.example.com"
KEY_ID = "a-key-of-these-tests"


@dataclass(frozen=True)
class Google:
    """`certs_url`: where the public half of its key is."""

    certs_url: str
    private_key: str

    def token(self, **claims: object) -> str:
        """What Pub/Sub and Eventarc send as `Authorization: Bearer`."""
        now = int(time.time())
        defaults = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        }
        signer = crypt.RSASigner.from_string(self.private_key, KEY_ID)  # type: ignore[no-untyped-call] # Google's
        return bytes(jwt.encode(signer, defaults | claims)).decode()  # type: ignore[no-untyped-call] # Google's


@contextmanager
def google() -> Iterator[Google]:
    """Google, while the certificates are served."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    certificates = json.dumps({KEY_ID: _certificate(key)}).encode()

    with serving(lambda _request: Answer(certificates, {"Cache-Control": "max-age=3600"})) as url:
        yield Google(f"{url}/certs", pem.decode())


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
