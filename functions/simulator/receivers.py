"""Receivers of notifications, as good and as bad as real ones: `POST /_receivers/{behavior}/{name}`.

Each records what it got, before it responds, for `GET /_receivers`.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from .fault_responses import Break, BrokenResponse
from .state import State, timestamp

PATH = re.compile(r"/_receivers/(?P<receiver>(?P<behavior>[a-z]+)/[\w-]{1,64})", re.ASCII)
FOLLOWED = "live/followed"  # gets the requests that follow the redirect
RETRY_SECONDS = 5
_CHUNK = 64 * 1024  # bytes

# The response to a request. The number: how often this receiver got the message, this time included.
Behavior = Callable[[State, int], Response]


def _slow(state: State, _times: int) -> Response:
    return BrokenResponse(
        Response(status_code=204), Break.SLOW_FIRST_BYTE, state.settings.slow_seconds, state.clock.sleep
    )


def _trickling(state: State, _times: int) -> Response:
    error = Response("Something went wrong. Please try again.\n" * 10, 500)
    return BrokenResponse(error, Break.TRICKLE, state.settings.slow_seconds, state.clock.sleep)


def _huge(state: State, _times: int) -> Response:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(0, state.settings.large_bytes, _CHUNK):
            yield b"x" * _CHUNK

    return StreamingResponse(content(), 500, media_type="text/plain")


BEHAVIORS: Mapping[str, Behavior] = {
    "live": lambda _state, _times: Response(status_code=204),
    "flaky": lambda _state, times: Response(status_code=204 if times > 1 else 500),  # fails once for each message
    "failing": lambda _state, _times: Response("Internal Server Error", 500),
    "busy": lambda _state, _times: Response("Busy", 503, {"Retry-After": str(RETRY_SECONDS)}),
    "gone": lambda _state, _times: Response("Gone", 410),
    "redirecting": lambda _state, _times: RedirectResponse(
        f"/_receivers/{FOLLOWED}", 307
    ),  # to a private address: ours
    "reset": lambda _state, _times: BrokenResponse(Response(), Break.RESET),
    "slow": _slow,
    "trickling": _trickling,
    "huge": _huge,
}


async def handle(request: Request, state: State) -> Response | None:
    """Return the response of a receiver, or what all of them got; None for any other method and path."""
    path = request.url.path
    if (request.method, path) == ("GET", "/_receivers"):
        return JSONResponse({"messages": list(state.received)})
    if request.method != "POST" or not path.startswith("/_receivers/"):
        return None
    found = PATH.fullmatch(path)
    if found is None or found["behavior"] not in BEHAVIORS:
        return JSONResponse({"error": f"a receiver is one of {', '.join(BEHAVIORS)}, and a name"}, 422)
    receiver = found["receiver"]
    state.received.append(await _message(receiver, request, state))
    delivery = receiver, request.headers.get("webhook-id", "")
    state.deliveries[delivery] += 1
    return BEHAVIORS[found["behavior"]](state, state.deliveries[delivery])


async def _message(receiver: str, request: Request, state: State) -> dict[str, Any]:
    return {
        "receiver": receiver,
        "query": request.url.query,
        "receivedAt": timestamp(state.clock.now()),
        "headers": dict(request.headers),
        "body": (await request.body()).decode(errors="replace"),
    }
