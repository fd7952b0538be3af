"""The poller's routes: `POST /` works through one window, `GET /health` says that it is there."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.log import Event
from shared.problems import Problem
from shared.runtime.dependencies import Deps

from .window import Window

_working: set[int] = set()


async def answer(request: Request, deps: Deps) -> Response:
    """Answer the scheduler. A call while this instance works is answered at once: nothing may run after an answer."""
    try:
        _check(request)
    except Problem as problem:
        return problem.response()
    if request.scope["path"] == "/health":
        return JSONResponse({"status": "ok"})
    return await _work(deps)


def _check(request: Request) -> None:
    allowed = {"/": ["POST"], "/health": ["GET", "HEAD"]}.get(request.scope["path"])
    if allowed is None:
        raise Problem("not_found", "The routes are POST / and GET /health.")
    if request.method not in allowed:
        raise Problem.not_allowed(request.method, allowed)


async def _work(deps: Deps) -> Response:
    if id(deps) in _working:
        return JSONResponse({"busy": True})
    _working.add(id(deps))
    try:
        return JSONResponse(await Window(deps).run())
    except Exception as error:  # the last line of defence: the framework would answer plain text
        deps.log.error(Event.WINDOW, f"The window ended early: {type(error).__name__}.")
        return Problem("internal_error", "The window ended early; the next call goes on.").response()
    finally:
        _working.discard(id(deps))
