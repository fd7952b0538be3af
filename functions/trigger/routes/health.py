"""`GET /health`: whether the function is running. It does not access the stores."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..context import Context


async def health(_request: Request, _context: Context) -> Response:
    """Handle `GET /health`."""
    return JSONResponse({"status": "ok"})
