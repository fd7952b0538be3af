"""A request's bytes, never more of them than its way in may send."""

from starlette.requests import Request

from shared.problems import Problem

KIB, MIB = 1024, 1024 * 1024
BODY_LIMIT = 512 * KIB
ARRAY_LIMIT = 4 * MIB  # for an array of requests


async def read(request: Request, limit: int) -> bytes:
    """The body; Problem as soon as it is known to have more than `limit` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def too_large(limit: int, field: str | None = None) -> Problem:
    """413, for more than `limit` bytes."""
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"
    detail = f"{'The file' if field else 'The body'} may have {size}. Send large inputs as URLs."
    return Problem("body_too_large", detail, field=field)
