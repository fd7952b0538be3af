"""The HTTP client for Wireflow. It sends requests within their time limits; `protocol` interprets the responses."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from shared.error_codes import ErrorCode
from shared.ports import Clock, RunResponse, Started
from shared.wireflow import errors, protocol
from shared.wireflow.redaction import Redaction
from shared.wireflow.response_body import read_body
from shared.wireflow.timeout import responsive_timeout
from shared.wireflow.transport import ConnectionPerCall
from shared.workflows import Mode, NodeInput, Workflow

HEADERS = {"User-Agent": "wireflow-images/1.0", "Accept": "application/json", "Accept-Encoding": "identity"}
POLL_SECONDS, UPLOAD_SECONDS, CONNECT_SECONDS = 10.0, 60.0, 4.0
# Of the paid call: while a caller waits for it, and while no one does. A response that is not waited for is a paid run
# without its id.
START_SECONDS, PATIENT_SECONDS = 8.0, 30.0
# Nothing was sent yet when this expires, so it may be exact: the call is simply made again.
NOT_SENT_TIMEOUT = httpx.Timeout(None, connect=CONNECT_SECONDS).as_dict()
INLINE_LIMIT = 64 * 1024  # bytes of a response that are interpreted on the event loop; larger ones in a thread
UPLOAD_LIMIT = 25 * 1024 * 1024  # bytes of an input image: github.com/wireflowINC/wireflow-skill

# Raised before any byte of the request was sent: nothing can have been started.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
# What the libraries below httpx, and Python itself, raise for bytes, names, and numbers that they cannot handle.
LOWER_LEVEL = (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, RecursionError)
# Everything a call can raise; httpx has no common base class for these.
CALL_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, *LOWER_LEVEL)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_url = lru_cache(maxsize=64)(httpx.URL)  # parsing one takes a twentieth of the time of a call
HEADER_LIMIT = 1_024  # characters of a header's value: the request id is stored with the job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class WireflowClient:
    """Wireflow over HTTP. `base_url` ends in /api/v1.

    The API key, the webhook id, and the `secrets` (the ids of the workflows) are redacted from every error and from
    every text of a RunResponse.
    """

    def __init__(
        self,
        base_url: str,
        webhook_id: str,
        api_key: str,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        self._base_url = base_url
        self._webhook_path = _path(Mode.WEBHOOK, webhook_id)
        self._redact = Redaction((webhook_id, api_key, *secrets))
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._clock = clock
        self._large_response = asyncio.Lock()  # one at a time: parsed, 4 MiB may take 100 MiB
        # Without httpx's client, which keeps cookies and takes a tenth of the time of a call. A transport follows no
        # redirects, which may turn a POST into a GET.
        self._transport = transport or ConnectionPerCall()

    # --- the paid call ---------------------------------------------------------------------------------------------

    async def start(
        self, workflow: Workflow, body: Mapping[str, Any], idempotency_key: str, *, patient: bool = False
    ) -> Started:
        """Make the paid call within 8 s, or 30 s; raise Refused (nothing was started) or OutcomeUnknown.

        A webhook takes no API key: https://www.wireflow.ai/docs/api/webhooks.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        if workflow.mode is not Mode.WEBHOOK:
            headers |= self._authorization
        try:
            content = _ENCODER.encode(body).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise errors.RequestRefused("The request cannot be written as JSON.") from error
        path = _path(workflow.mode, workflow.id)
        try:
            seconds = PATIENT_SECONDS if patient else START_SECONDS
            response = await self._call("POST", path, seconds, headers, content=content)
        except NOT_SENT as error:
            raise _unreachable(error) from error
        except CALL_ERRORS as error:
            message = f"Wireflow did not confirm whether the run was started ({type(error).__name__})."
            raise errors.OutcomeUnknown(message) from error
        started = await self._interpret(protocol.read_trigger, response, errors.NoExecutionId)
        if started.execution_id in self._redact.secrets:  # the response contains only the id of the workflow
            message = "Wireflow accepted the call but returned no execution id."
            raise errors.NoExecutionId(message, request_id=started.request_id, http_status=response.status)
        return started

    # --- free calls before it --------------------------------------------------------------------------------------

    async def describe_inputs(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """Return the inputs of a saved workflow: https://www.wireflow.ai/docs/api/run.

        Raise RequestRefused for 400, 413, 415, and 422, and another Refused if it is worth trying again.
        """
        path = _path(Mode.RUN, workflow.id)
        response = await self._call_free("GET", path, POLL_SECONDS, self._authorization)
        inputs = await self._interpret(protocol.read_inputs, response)
        return tuple(replace(item, label=self._redact(item.label)) for item in inputs)

    async def upload_image(self, content: bytes, content_type: str) -> str:
        """Upload an input image of at most 25 MiB within 60 s; return its URL at Wireflow.

        Raise as `describe_inputs`.
        """
        if len(content) > UPLOAD_LIMIT:
            raise errors.RequestRefused("The input image is larger than 25 MiB, the maximum that Wireflow accepts.")
        name = f"image.{content_type.partition('/')[2] or 'bin'}"
        files = {"file": (name, content, content_type)}
        response = await self._call_free("POST", "/media/upload", UPLOAD_SECONDS, self._authorization, files=files)
        return await self._interpret(protocol.read_upload, response)

    async def healthy(self, *, needs_webhook: bool = True) -> bool:
        """Return whether the webhook's free health call responds with 200.

        Without `needs_webhook`, Wireflow's own response that the webhook does not exist shows too that Wireflow works.
        """
        try:
            response = await self._call("GET", self._webhook_path, POLL_SECONDS, {})
        except CALL_ERRORS:
            return False
        gone = response.status in {404, 410} and protocol.is_json(response.body)
        return response.status == 200 or (gone and not needs_webhook)

    async def check_webhook(self) -> None:
        """Raise the Refused or OutcomeUnknown that a paid call would get now, as far as the free health call tells."""
        await self._interpret(protocol.read_health, await self._call_free("GET", self._webhook_path, POLL_SECONDS, {}))

    # --- after it --------------------------------------------------------------------------------------------------

    async def poll(self, execution_id: str) -> RunResponse:
        """Return the state of a run: https://www.wireflow.ai/docs/api/executions. Raise PollError."""
        return await self._get_run(execution_id, "/poll")

    async def details(self, execution_id: str) -> RunResponse:
        """Return the same from the details endpoint, which also reports runs that failed silently. Raise PollError."""
        return await self._get_run(execution_id)

    async def close(self) -> None:
        """Close what is kept between calls: nothing, by the transport that is used by default."""
        await self._transport.aclose()

    # --- requests and responses ------------------------------------------------------------------------------------

    async def _get_run(self, execution_id: str, endpoint: str = "") -> RunResponse:
        path = f"/workflows/executions/{quote(execution_id, safe='')}{endpoint}"
        try:
            response = await self._call("GET", path, POLL_SECONDS, self._authorization)
        except CALL_ERRORS as error:
            raise errors.PollError(_unreachable_message(error), code=ErrorCode.UPSTREAM_UNREACHABLE) from error
        reader = partial(protocol.read_run, execution_id=execution_id)
        run = await self._interpret(reader, response, errors.UnusableResponse)
        return replace(self._redact_run(run), http_status=response.status)

    async def _call_free(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str], **body: Any
    ) -> _Response:
        """Make a call that is not charged: whatever the failure, it may be retried."""
        try:
            return await self._call(method, path, seconds, headers, **body)
        except CALL_ERRORS as error:
            raise _unreachable(error) from error

    async def _call(self, method: str, path: str, seconds: float, headers: Mapping[str, str], **body: Any) -> _Response:
        url, headers = _url(self._base_url + path), {**HEADERS, **headers}
        request = httpx.Request(method, url, headers=headers, extensions={"timeout": NOT_SENT_TIMEOUT}, **body)
        async with responsive_timeout(seconds, self._clock):
            response = await self._transport.handle_async_request(request)
            async with aclosing(response):
                content = await read_body(response)
        lower_case = {name.lower(): value[:HEADER_LIMIT] for name, value in response.headers.items()}
        return _Response(response.status_code, lower_case, content)

    async def _interpret(
        self,
        reader: Callable[[int, dict[str, str], bytes, datetime], T],
        response: _Response,
        unreadable: type[errors.WireflowError] = errors.Unavailable,
    ) -> T:
        """Return what `reader` makes of the response; raise its errors with all secrets redacted."""
        arguments = response.status, response.headers, response.body, self._clock.now()
        try:
            if len(response.body) <= INLINE_LIMIT:
                return reader(*arguments)
            async with self._large_response:
                return await asyncio.to_thread(reader, *arguments)
        except errors.WireflowError as error:
            error.args = (self._redact(str(error)),)
            if isinstance(error, errors.UnusableResponse):
                error.raw = self._redact(error.raw)
            error.http_status = response.status
            raise
        except LOWER_LEVEL as error:
            message = f"The response of Wireflow cannot be read ({type(error).__name__})."
            raise unreadable(message, http_status=response.status) from error

    def _redact_run(self, run: RunResponse) -> RunResponse:
        """Redact every text. The URLs of images stay unchanged: a redacted URL could not be fetched."""
        redact = self._redact
        steps = (
            replace(step, label=step.label and redact(step.label), status=step.status and redact(step.status))
            for step in run.steps
        )
        return replace(
            run,
            images=tuple(replace(image, place=image.place and redact(image.place)) for image in run.images),
            texts=tuple(map(redact, run.texts)),
            error=run.error and redact(run.error),
            node_error=run.node_error and redact(run.node_error),
            model=run.model and redact(run.model),
            error_codes=tuple(map(redact, run.error_codes)),
            unknown_shapes=tuple(map(redact, run.unknown_shapes)),
            raw=redact(run.raw),
            steps=tuple(steps),
        )


def _path(mode: Mode, workflow_id: str) -> str:
    safe = quote(workflow_id, safe="")
    return f"/workflow/{safe}/trigger" if mode is Mode.WEBHOOK else f"/workflows/{safe}/{mode}"


def _unreachable(error: Exception) -> errors.Unavailable:
    return errors.Unavailable(_unreachable_message(error))


def _unreachable_message(error: Exception) -> str:
    return f"Wireflow could not be reached ({type(error).__name__})."
