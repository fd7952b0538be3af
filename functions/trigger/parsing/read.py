"""The body's bytes, never more of them than its kind and its caller allow."""

from starlette.requests import Request

from shared.problems import Problem

from ..auth.caller import Caller
from .media_type import BodyKind

KIB, MIB = 1024, 1024 * 1024
BODY_LIMIT = 512 * KIB
CREDENTIAL_LIMIT = 4 * MIB  # of a body that may be a batch
MULTIPART_LIMIT = 26 * MIB

HINT = "Send large inputs as URLs, and split a batch."


def body_limit(kind: BodyKind, credential: bool, visitor: Caller | None) -> int:
    """Return how many bytes may be read, as far as the caller is known by the headers alone.

    `credential`: whether they have a valid token, or a signature. `visitor`: the caller if it needs neither.
    """
    if kind is BodyKind.MULTIPART:
        return MULTIPART_LIMIT if credential or visitor else BODY_LIMIT
    return CREDENTIAL_LIMIT if credential and kind is not BodyKind.URLENCODED else BODY_LIMIT


def upload_limit(credential: bool, visitor: Caller | None) -> int:
    """Return how many bytes of an uploaded batch may be read; see `body_limit`. Pages cannot upload one."""
    return CREDENTIAL_LIMIT if credential or (visitor and not visitor.browser) else BODY_LIMIT


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Problem 413 as soon as it is known to have more than `limit` bytes."""
    hint = "Send large inputs as URLs, and the token in the Authorization header." if limit == BODY_LIMIT else HINT
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large("request body", limit, hint=hint)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large("request body", limit, hint=hint)
    return bytes(body)


def too_large(what: str, limit: int, field: str | None = None, *, hint: str = HINT) -> Problem:
    """Return the problem 413 for more than `limit` bytes."""
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"
    return Problem("body_too_large", f"The {what} is larger than {size}. {hint}", field=field)
