"""Tokens for forms: made here, for one origin, not long ago and not a moment ago. Nothing is stored.

What fills a form in within three seconds is no person.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

YOUNGEST, OLDEST = timedelta(seconds=3), timedelta(hours=1)
NONCE_BYTES = 16  # two forms never have the same token: it is the key of their request

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STAMP_BYTES = 8


@dataclass(frozen=True, slots=True)
class FormToken:
    """A token and when it may be used."""

    text: str
    not_before: datetime
    expires_at: datetime


class FormTokenRefused(Exception):
    """It may not be used; the text says what to do."""


def issue(secret: bytes, origin: str, now: datetime, nonce: bytes) -> FormToken:
    """A new token for pages of this origin."""
    stamp = ((now - _EPOCH) // _MILLISECOND).to_bytes(_STAMP_BYTES, "big")
    return _token(secret, origin, stamp, nonce)


def check(text: str, secret: bytes, origin: str, now: datetime) -> None:
    """FormTokenRefused unless it is one of ours, for this origin, and its time is now."""
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        raw = b""
    token = _token(secret, origin, raw[:_STAMP_BYTES], raw[_STAMP_BYTES : _STAMP_BYTES + NONCE_BYTES])
    # The whole text is compared: base64 has several spellings of the same bytes, and each would be another key.
    if not hmac.compare_digest(token.text.encode(), text.encode(errors="surrogatepass")):
        raise FormTokenRefused("This form token was not made here for this origin: get one by GET /form-token.")
    if now < token.not_before:
        raise FormTokenRefused("This form token is too young: send it three seconds after it was made.")
    if now > token.expires_at:
        raise FormTokenRefused("This form token has expired: get another one by GET /form-token.")


def _token(secret: bytes, origin: str, stamp: bytes, nonce: bytes) -> FormToken:
    key = hmac.digest(secret, b"form token", hashlib.sha256)
    seal = hmac.digest(key, stamp + nonce + origin.encode(), hashlib.sha256)
    try:
        made_at = _EPOCH + int.from_bytes(stamp, "big") * _MILLISECOND
    except OverflowError:  # an invention
        made_at = _EPOCH
    text = base64.urlsafe_b64encode(stamp + nonce + seal).decode()
    return FormToken(text, made_at + YOUNGEST, made_at + OLDEST)
