"""`GET /pages/{version}/{name}` and `/embed.js`: what our pages load, and the module for pages of others."""

from starlette.requests import Request
from starlette.responses import Response

from ..context import Context
from ..responses.assets import EMBED, asset, current_version
from ..responses.negotiation import matches

IMMUTABLE = "public, max-age=31536000, immutable"
CHECKED = "public, no-cache"  # asked for again each time, with the ETag
EMBED_CACHED = "public, max-age=300"


async def page_asset(request: Request, _context: Context, name: str, version: str | None) -> Response:
    """Handle `GET /pages/{version}/{name}`. Below the version that our pages name, the file never changes.

    Without a version, or with that of another revision of the service, it is the file as it is now.
    """
    cached = IMMUTABLE if version == current_version() else CHECKED
    return _serve(request, name, {"Cache-Control": cached})


async def embed(request: Request, _context: Context) -> Response:
    """Handle `GET /embed.js`: pages of any origin may load it."""
    return _serve(request, EMBED, {"Cache-Control": EMBED_CACHED, "Access-Control-Allow-Origin": "*"})


def _serve(request: Request, name: str, headers: dict[str, str]) -> Response:
    found = asset(name)
    headers |= {"ETag": (etag := f'"{found.digest}"'), "X-Content-Type-Options": "nosniff"}
    if matches(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers={**headers, "Content-Type": found.content_type})
