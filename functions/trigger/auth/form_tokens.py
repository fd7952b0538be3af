"""Form tokens: issued here for one origin, valid from three seconds to an hour after that. Nothing is stored.

A form that is filled in within three seconds is filled in by a bot.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MIN_AGE, MAX_AGE = timedelta(seconds=3), timedelta(hours=1)
NONCE_BYTES = 16  # no two form tokens are equal: each is the idempotency key of its request

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class FormToken:
    """A form token and when it is valid."""

    text: str
    not_before: datetime
    expires_at: datetime


class InvalidFormToken(Exception):
    """The form token is not accepted; the text says what to do."""


def issue(secret: bytes, origin: str, now: datetime, nonce: bytes) -> FormToken:
    """Return a new form token for pages of this origin."""
    issued_at = ((now - _EPOCH) // _MILLISECOND).to_bytes(_TIME_BYTES, "big")
    return _form_token(secret, origin, issued_at, nonce)


def check(text: str, secret: bytes, origin: str, now: datetime) -> None:
    """Check that the form token was issued here for this origin and is valid now. Raises InvalidFormToken."""
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        raw = b""
    token = _form_token(secret, origin, raw[:_TIME_BYTES], raw[_TIME_BYTES : _TIME_BYTES + NONCE_BYTES])
    # Compare the whole text: base64 has several spellings of the same bytes, and each would be another key.
    if not hmac.compare_digest(token.text.encode(), text.encode(errors="surrogatepass")):
        raise InvalidFormToken("This form token was not issued for this origin. Get one from GET /form-token.")
    if now < token.not_before:
        seconds = MIN_AGE // timedelta(seconds=1)
        raise InvalidFormToken(f"This form token is too new. Send it {seconds} seconds after it was issued.")
    if now > token.expires_at:
        raise InvalidFormToken("This form token has expired. Get a new one from GET /form-token.")


def _form_token(secret: bytes, origin: str, issued_at: bytes, nonce: bytes) -> FormToken:
    key = hmac.digest(secret, b"form token", hashlib.sha256)
    mac = hmac.digest(key, issued_at + nonce + origin.encode(), hashlib.sha256)
    try:
        time = _EPOCH + int.from_bytes(issued_at, "big") * _MILLISECOND
    except OverflowError:  # forged
        time = _EPOCH
    text = base64.urlsafe_b64encode(issued_at + nonce + mac).decode()
    return FormToken(text, time + MIN_AGE, time + MAX_AGE)
