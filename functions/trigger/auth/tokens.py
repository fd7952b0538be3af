"""Tokens of requests, and who owns them. Only their SHA-256 is configured.

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
class Credential:
    """The credential of one Authorization header; its text is empty if it is malformed."""

    text: str = field(repr=False)
    bearer: bool = False

    @property
    def well_formed(self) -> bool:
        """Whether it may be a token: not if its scheme was left out, or if it is quoted."""
        return bool(self.text) and not self.text.startswith(('"', "'"))

    @property
    def may_be_jwt(self) -> bool:
        """Whether it has the form of a JWT, which is sent as Bearer only."""
        return self.bearer and self.text.count(".") == 2


def presented(request: Request) -> list[Credential]:
    """Return the credential of each Authorization header, of any scheme."""
    return [_parse(line) for line in request.headers.getlist("authorization")]


def owner(text: str, tokens: Sequence[Token]) -> Token | None:
    """Return the configured token with this text, or None. Compares with each, in constant time."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    matches = [token for token in tokens if hmac.compare_digest(digest, token.sha256)]
    return matches[0] if matches and text else None


def _parse(line: str) -> Credential:
    scheme, _, rest = line.strip().partition(" ")
    if scheme.lower() == "bearer":
        return Credential(rest.strip(), bearer=True)
    if scheme.lower() != "basic":
        return Credential("")
    try:
        return Credential(base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2])
    except (binascii.Error, ValueError):
        return Credential("")
