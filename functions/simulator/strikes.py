"""What a fault does to one request: it answers instead of the endpoint, or spoils the endpoint's answer."""

import json
import math
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.utils import format_datetime

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from .case import Case
from .refusals import NO_CREDITS, insufficient_credits, refusal
from .settings import Style
from .wire import Break, Broken

Instead = Callable[[Case], Response | None]  # None: this request is spared
Afterwards = Callable[[Case, Response], Response]

WAIT = timedelta(seconds=5)
TOO_MANY = "Too many workflow executions. Please try again later."
BLOCKED_CLIENTS = ("python", "curl")
GATEWAY_PAGE = "<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
HOME_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
PNG_START = b"\x89PNG\r\n\x1a\n"
PIECE = 64 * 1024


def status(code: int, message: str) -> Instead:
    """A status and its message, in the form of the style."""
    return lambda case: refusal(code, message, case.style)


def wait_in_seconds(case: Case) -> Response:
    """429: Retry-After is a number of seconds."""
    return refusal(429, TOO_MANY, case.style, {"Retry-After": str(WAIT.seconds)})


def wait_until_date(case: Case) -> Response:
    """429: Retry-After is an HTTP date."""
    return refusal(429, TOO_MANY, case.style, {"Retry-After": format_datetime(case.now + WAIT, usegmt=True)})


def wait_until_reset(case: Case) -> Response:
    """429: only X-RateLimit-Reset, in seconds since the epoch."""
    return refusal(429, TOO_MANY, case.style, {"X-RateLimit-Reset": str(_epoch(case))})


def wait_until_epoch(case: Case) -> Response:
    """429: only the body's retryAfter, which is an epoch."""
    return refusal(429, TOO_MANY, case.style, retryAfter=_epoch(case))


def credits_flat(_case: Case) -> Response:
    """402 with its amounts, whatever the style."""
    return insufficient_credits(Style.FLAT)


def credits_typed(_case: Case) -> Response:
    """402 typed, its amounts only in the text."""
    return refusal(402, NO_CREDITS, Style.WRAPPED)


def unavailable(case: Case) -> Response:
    """503 with Retry-After."""
    return refusal(503, "Service unavailable", case.style, {"Retry-After": str(WAIT.seconds)})


def gateway_page(_case: Case) -> Response:
    """502 with the HTML page of a gateway."""
    return Response(GATEWAY_PAGE, 502, media_type="text/html")


def to_www(case: Case) -> Response:
    """301 to the same path on www, as the bare domain answers."""
    return RedirectResponse(f"https://www.wireflow.ai{case.request.url.path}", 301)


def hang(case: Case) -> Response:
    """Nothing is done and nothing comes."""
    return Broken(Response(), Break.HANG, case.clock, case.settings.slow_seconds)


def broken(how: Break) -> Afterwards:
    """All is done, and the answer breaks on its way."""
    return lambda case, whole: Broken(whole, how, case.clock, case.settings.slow_seconds)


def without_id(_case: Case, whole: Response) -> Response:
    """The answer of a started run without the id, in any envelope, and without its address."""
    body = json.loads(bytes(whole.body))
    told = body.get("data") or body
    told.pop("executionId", None)
    for run in told.get("executionRuns", ()):
        run.pop("id")
    return JSONResponse(body, whole.status_code)


def blocked_client(case: Case) -> Response | None:
    """403 for clients that call themselves python or curl."""
    client = case.request.headers.get("user-agent", "").lower()
    return PlainTextResponse("Forbidden", 403) if client.startswith(BLOCKED_CLIENTS) else None


def plain(code: int, text: str) -> Instead:
    """A storage server's refusal, in plain text."""
    return lambda _case: PlainTextResponse(text, code)


def large(announced: bool) -> Instead:
    """A body that begins as a PNG and is longer than any limit, with or without its length in the header."""

    def answer(case: Case) -> Response:
        headers = {"content-length": str(case.settings.large_bytes)} if announced else {}
        return StreamingResponse(_zeros(case.settings.large_bytes), 200, headers, "image/png")

    return answer


def not_an_image(_case: Case) -> Response:
    """Bytes of no picture, called image/png."""
    return Response(b"PK\x03\x04 this is an archive, not a picture " * 40, 200, media_type="image/png")


def html_page(_case: Case) -> Response:
    """200 and a page in the place of a picture."""
    return Response(HOME_PAGE, 200, media_type="text/html")


def to_private_address(_case: Case) -> Response:
    """A redirect to where cloud machines keep their credentials."""
    return RedirectResponse("http://169.254.169.254/computeMetadata/v1/", 302)


async def _zeros(length: int) -> AsyncIterator[bytes]:
    yield PNG_START
    left = length - len(PNG_START)
    while left > 0:
        yield bytes(min(PIECE, left))
        left -= PIECE


def _epoch(case: Case) -> int:
    return math.ceil((case.now + WAIT).timestamp())
