"""`GET /form-token`: a token for one submission of a form on an allowed origin."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..context import Context


async def form_token(request: Request, context: Context) -> Response:
    """Handle `GET /form-token`."""
    return JSONResponse(await context.forms.issue_form_token(request), headers={"Cache-Control": "no-store"})
