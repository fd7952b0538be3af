"""The HTTP API of a trigger, for commands on jobs and hooks.

Without a deployment it is the same trigger, in this process, on the job store of `serve`. It makes no paid call: a job
that is retried is queued, and started by the poller of `serve`.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.cli.errors import RequestFailed, RequestRejected, SetupError, rejection
from functions.cli.place import IDENTITY_VARIABLE, TOKEN_VARIABLE, Place
from functions.cli.stores import open_store
from functions.cli.text import printable
from functions.trigger import router
from functions.trigger.context import create_context
from shared.runtime.dependencies import Deps

RESPONSE_SECONDS = 30.0  # the trigger responds within 10
LOCAL_URL = "http://127.0.0.1:8080"
NO_CREDENTIAL = (
    "Google Cloud rejected the request. A private deployment needs an identity token, which is valid for an hour: "
    f'{IDENTITY_VARIABLE}="$(gcloud auth print-identity-token)". If it has TRIGGER_TOKENS, one of them belongs in '
    f"{TOKEN_VARIABLE}."
)
HOW_TO_SEND = (
    f"Commands send the token of {TOKEN_VARIABLE}, or of --token. The identity token for a private deployment belongs "
    f"in {IDENTITY_VARIABLE}."
)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
NOT_A_TRIGGER = "Is it the URL of a trigger?"


class Api:
    """The routes of one trigger. Every method returns JSON, and raises RequestRejected or RequestFailed."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **parameters: Any) -> Any:
        """Send a GET. Parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return json_of(await self._send("GET", path, params=given))

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a POST with JSON, or without a body."""
        return json_of(await self._send("POST", path, **({} if body is None else {"json": body})))

    async def post_with_retry_after(self, path: str, body: Mapping[str, Any]) -> tuple[Any, int | None]:
        """Send a POST with JSON. Also return the seconds of Retry-After, None without them."""
        response = await self._send("POST", path, json=body)
        seconds = response.headers.get("Retry-After", "")
        return json_of(response), int(seconds) if _SECONDS.fullmatch(seconds) else None

    async def delete(self, path: str) -> Any:
        """Send a DELETE."""
        return json_of(await self._send("DELETE", path))

    async def remove(self, path: str) -> None:
        """Send a DELETE that only 204 confirms: another server may respond to it with any JSON."""
        response = await self._send("DELETE", path)
        json_of(response)
        if response.status_code != 204:
            raise RequestFailed(f"{response.url.host} responded with HTTP {response.status_code}. {NOT_A_TRIGGER}")

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise RequestFailed(f"{self._http.base_url} did not respond within {RESPONSE_SECONDS:g} s.") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # of the resolver, for a name that is none
            cause = str(error) or type(error).__name__
            raise RequestFailed(f"{self._http.base_url} did not respond: {cause}") from error


class _Fields(dict[str, Any]):
    """An object of a response. A field that it lacks is no fault of the command: another server has responded."""

    def __missing__(self, name: str) -> Any:
        raise RequestFailed(f"The response has no field {name!r}. {NOT_A_TRIGGER}")


def json_of(response: httpx.Response) -> Any:
    """Return the object in a successful response, or an empty one without a body.

    Raises RequestRejected for a 4xx except 408 and 429, which may succeed later, and RequestFailed for any other error.
    """
    if not response.is_success:
        later = response.status_code in (408, 429) or not response.is_client_error
        raise (RequestFailed if later else RequestRejected)(_reason(response))
    try:
        found = json.loads(response.content, object_hook=_Fields) if response.content else _Fields()
    except (ValueError, RecursionError) as error:
        raise RequestFailed(f"The response of {response.url.host} is not JSON. {NOT_A_TRIGGER}") from error
    if not isinstance(found, _Fields):
        raise RequestFailed(f"The response of {response.url.host} is not an object. {NOT_A_TRIGGER}")
    return found


def _reason(response: httpx.Response) -> str:
    """Return why the request was not accepted: what the problem document says, or the status."""
    with suppress(ValueError, KeyError, TypeError):
        problem = response.json()
        if isinstance(problem["detail"], str):
            how = f" {HOW_TO_SEND}" if response.status_code == 401 else ""
            return f"{rejection(printable(problem['detail']), problem.get('field'))}{how}"
    hint = f" {NO_CREDENTIAL}" if response.status_code in (401, 403) else ""
    if response.is_redirect or response.status_code == 404:
        hint = f" {NOT_A_TRIGGER}"
    return f"The request was not accepted by {response.url.host}: HTTP {response.status_code}.{hint}"


@asynccontextmanager
async def open_api(place: Place, environ: Mapping[str, str]) -> AsyncIterator[Api]:
    """Open the API of a deployment, or of the job store that `open_store` opens. Raises SetupError.

    On a job store the caller is the operator: the Host is this machine, also with the PUBLIC_URL of a deployment.
    """
    if place.url:
        try:
            client = httpx.AsyncClient(base_url=place.url, headers=place.headers, timeout=RESPONSE_SECONDS)
        except httpx.InvalidURL as error:
            raise SetupError(f"--url: {place.url!r} is not a URL: {error}") from error
        async with client as http:
            yield Api(http)
        return
    async with open_store(environ, live=place.live) as deps:
        transport = httpx.ASGITransport(_app(deps), client=("127.0.0.1", 0))
        async with httpx.AsyncClient(base_url=LOCAL_URL, transport=transport) as http:
            yield Api(http)


def _app(deps: Deps) -> ASGIApp:
    """Return the trigger as an ASGI app, without functions-framework, which takes half a second to import."""
    context = create_context(deps)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await router.handle(Request(scope, receive), context)
        await response(scope, receive, send)

    return app
