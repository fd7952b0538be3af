"""The tokens that a request brings, and whose they are. Only their SHA-256 is known here.

`Authorization: Bearer` (RFC 6750), Basic with the token as the password (RFC 7617), or the body's `token`.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from shared.auth_settings import Token


@dataclass(frozen=True, slots=True)
class Offered:
    """What one Authorization line brings; an empty text if it is malformed. `bearer`: it may be a JWT too."""

    text: str = field(repr=False)
    bearer: bool = False


def offered(request: Request) -> list[Offered]:
    """One for each Authorization line, whatever its scheme."""
    return [_read(line) for line in request.headers.getlist("authorization")]


def owner(text: str, tokens: Sequence[Token]) -> Token | None:
    """Whose token this is. Each is compared, in constant time: how long it takes says nothing."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    right = [token for token in tokens if hmac.compare_digest(digest, token.sha256)]
    return right[0] if right and text else None


def _read(line: str) -> Offered:
    scheme, _, rest = line.strip().partition(" ")
    if scheme.lower() == "bearer":
        return Offered(rest.strip(), bearer=True)
    return Offered(_password(rest.strip()) if scheme.lower() == "basic" else "")


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
