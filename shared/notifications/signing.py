"""Signatures of Standard Webhooks 1.0, with shared secrets.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64  # of a secret, by the specification


def new_secret(random: bytes) -> str:
    """Return the secret made of `random`, 24 to 64 bytes."""
    return PREFIX + base64.b64encode(random).decode()


def key_of(secret: str) -> bytes:
    """Return the bytes of a secret; raise ValueError if it is not valid."""
    encoded = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(f"a secret must be {PREFIX} followed by {MIN_BYTES} to {MAX_BYTES} bytes in base64")
    return key


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """Return the signature of a message that is sent at `at`, in Unix seconds."""
    signed = b"%b.%d.%b" % (message_id.encode(), at, body)
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
