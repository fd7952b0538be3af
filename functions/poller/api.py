"""The routes of the poller: `POST /` runs one window and returns its counts, `GET /health` returns 200."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.problems import Problem
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Notes

from .window import Window

ROUTES = {"/": ["POST"], "/health": ["GET", "HEAD"]}


class Poller:
    """The poller of one instance. One window at a time works; slow copies of earlier ones may go on beside it."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._window: Window | None = None
        self._notes: dict[str, Notes] = {}

    async def handle(self, request: Request) -> Response:
        """Handle a request; every error is a problem document.

        While a window works, another `POST /` returns `{"busy": true}` at once, because nothing may run after a
        response; the window then scans again before it ends.
        """
        try:
            _check_route(request)
        except Problem as problem:
            return problem.response()
        if request.scope["path"] == "/health":
            return JSONResponse({"status": "ok"})
        if self._window and self._window.working:
            self._window.called()
            return JSONResponse({"busy": True})
        self._window = Window(self._deps, self._notes)
        return await self._run(self._window)

    async def _run(self, window: Window) -> Response:
        try:
            return JSONResponse(await window.run())
        except Exception as error:  # the framework would respond with plain text
            self._deps.log.internal_error(error, "The window ended early")
            return Problem("internal_error", "The window ended early. The next call continues its work.").response()


def _check_route(request: Request) -> None:
    allowed = ROUTES.get(request.scope["path"])
    if allowed is None:
        raise Problem("not_found", "The routes are POST / and GET /health.")
    if request.method not in allowed:
        raise Problem.not_allowed(request.method, allowed)
