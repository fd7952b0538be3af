"""The simulator, the trigger, and the poller as ASGI apps.

functions-framework wraps each request handler as it does in a deployment, so routes and error responses are the same.
Each function is imported when it is needed: with --live there is no simulator.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace

from functions_framework.aio import create_asgi_app_from_module
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from functions.simulator.settings import Settings
from shared.runtime.dependencies import Deps

Handler = Callable[[Request], Awaitable[Response]]


def trigger_app(deps: Deps) -> ASGIApp:
    """Return the app of the trigger."""
    from functions.trigger import router
    from functions.trigger.context import create_context

    return _framework_app("trigger", partial(router.handle, context=create_context(deps)))


def poller_app(deps: Deps) -> ASGIApp:
    """Return the app of the poller."""
    from functions.poller.api import Poller

    return _framework_app("poller", Poller(deps).handle)


def simulator_app(settings: Settings) -> ASGIApp:
    """Return the app of the simulator."""
    from functions.simulator.app import Simulator

    return _framework_app("simulator", Simulator(settings).handle)


def _framework_app(name: str, handler: Handler) -> ASGIApp:
    """Wrap a request handler. `os.environ`, in which the framework leaves a variable, is restored."""

    async def function(request: Request) -> Response:
        return await handler(request)

    environ = dict(os.environ)
    os.environ["LOG_EXECUTION_ID"] = "false"  # "true" would replace sys.stdout during each request
    try:
        app: ASGIApp = create_asgi_app_from_module(name, None, "http", SimpleNamespace(**{name: function}), None)
        return app
    finally:
        os.environ.clear()
        os.environ.update(environ)
