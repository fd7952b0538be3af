"""The calls to Wireflow: moves the bytes, keeps the time limits, and leaves the meaning to `protocol`."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from shared.error_codes import ErrorCode
from shared.ports import Clock, RunResponse, Started
from shared.wireflow import errors, protocol
from shared.wireflow.redaction import Redaction
from shared.workflows import Mode, NodeInput, Workflow

USER_AGENT = "wireflow-images/1.0"
START_SECONDS, POLL_SECONDS, UPLOAD_SECONDS, CONNECT_SECONDS = 8.0, 10.0, 60.0, 4.0
ANSWER_LIMIT = 4 * 1024 * 1024  # bytes of an answer that are read
UPLOAD_LIMIT = 25 * 1024 * 1024  # bytes of an input image: github.com/wireflowINC/wireflow-skill

# Raised before any byte of the request has left: nothing can have been started.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
# All that can go wrong with a call; httpx has no common base for it.
FAILED = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, TimeoutError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class WireflowClient:
    """Wireflow over HTTP. `base_url` ends in /api/v1; `hidden`: the ids of the workflows.

    Neither these, nor the webhook's id, nor the key leave in an error or in what is kept of an answer.
    """

    def __init__(
        self,
        base_url: str,
        webhook_id: str,
        api_key: str,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        hidden: Iterable[str] = (),
    ) -> None:
        self._base_url = base_url
        self._hook = _path(Mode.WEBHOOK, webhook_id)
        self._hide = Redaction((webhook_id, api_key, *hidden))
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._clock = clock
        self._http = httpx.AsyncClient(
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            # A kept connection may be closed by the other side just as a paid call leaves on it: an unknown outcome.
            limits=httpx.Limits(max_keepalive_connections=0),
            # The answer to a redirected POST may come from a GET, and a key may be dropped on the way.
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    # --- the paid call ---------------------------------------------------------------------------------------------

    async def start(self, workflow: Workflow, body: Mapping[str, Any], idempotency_key: str) -> Started:
        """The paid call, at most 8 s; a webhook needs no key: https://www.wireflow.ai/docs/api/webhooks.

        Refused: nothing was started. OutcomeUnknown: sent and not answered clearly.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        if workflow.mode is not Mode.WEBHOOK:
            headers |= self._authorization
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        path = _path(workflow.mode, workflow.id)
        try:
            answer = await self._call("POST", path, START_SECONDS, headers, content=content)
        except NOT_SENT as error:
            raise _unreachable(error) from error
        except FAILED as error:
            raise errors.OutcomeUnknown(f"Wireflow did not answer clearly ({type(error).__name__}).") from error
        started = self._read(protocol.read_trigger, answer)
        if started.execution_id in self._hide.secrets:  # an answer that names the workflow only
            raise errors.NoExecutionId("Wireflow answered without an execution id.", request_id=started.request_id)
        return started

    # --- before it -------------------------------------------------------------------------------------------------

    async def describe(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """The inputs of a saved workflow: https://www.wireflow.ai/docs/api/run.

        RequestRefused: 400, 413, 415, 422; any other WireflowError: ask again.
        """
        path = _path(Mode.RUN, workflow.id)
        answer = await self._free("GET", path, POLL_SECONDS, self._authorization)
        found = self._read(protocol.read_inputs, answer)
        return tuple(replace(item, label=self._hide(item.label)) for item in found)

    async def host(self, content: bytes, content_type: str) -> str:
        """Upload an input image, at most 60 s and 25 MiB; its address at Wireflow. Errors as with `describe`."""
        if len(content) > UPLOAD_LIMIT:
            raise errors.RequestRefused("The input image is larger than the 25 MiB that Wireflow takes.")
        name = f"image.{content_type.partition('/')[2] or 'bin'}"
        files = {"file": (name, content, content_type)}
        answer = await self._free("POST", "/media/upload", UPLOAD_SECONDS, self._authorization, files=files)
        return self._read(protocol.read_upload, answer)

    async def healthy(self) -> bool:
        """Whether the webhook's free health call answers 200."""
        try:
            return (await self._call("GET", self._hook, POLL_SECONDS, {})).status == 200
        except FAILED:
            return False

    async def check_webhook(self) -> None:
        """Raise what a paid call would meet now, as far as the free health call shows it: Refused or OutcomeUnknown."""
        self._read(protocol.read_health, await self._free("GET", self._hook, POLL_SECONDS, {}))

    # --- after it --------------------------------------------------------------------------------------------------

    async def poll(self, execution_id: str) -> RunResponse:
        """Where a run stands: https://www.wireflow.ai/docs/api/executions. PollError: ask again."""
        return await self._ask(f"/workflows/executions/{quote(execution_id, safe='')}/poll")

    async def details(self, execution_id: str) -> RunResponse:
        """The same from the details endpoint, which knows of runs that failed silently."""
        return await self._ask(f"/workflows/executions/{quote(execution_id, safe='')}")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    # --- one way for all -------------------------------------------------------------------------------------------

    async def _ask(self, path: str) -> RunResponse:
        try:
            answer = await self._call("GET", path, POLL_SECONDS, self._authorization)
        except FAILED as error:
            message = f"Wireflow could not be asked ({type(error).__name__})."
            raise errors.PollError(message, code=ErrorCode.UPSTREAM_UNREACHABLE) from error
        return self._without_secrets(self._read(protocol.read_run, answer))

    async def _free(self, method: str, path: str, seconds: float, headers: Mapping[str, str], **body: Any) -> _Answer:
        """A call that costs nothing: however it fails, it may be made again."""
        try:
            return await self._call(method, path, seconds, headers, **body)
        except FAILED as error:
            raise _unreachable(error) from error

    async def _call(self, method: str, path: str, seconds: float, headers: Mapping[str, str], **body: Any) -> _Answer:
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        request = self._http.stream(method, self._base_url + path, headers=headers, timeout=timeout, **body)
        async with asyncio.timeout(seconds), request as response:
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_LIMIT:
                    break
        names = {name.lower(): value for name, value in response.headers.items()}
        return _Answer(response.status_code, names, content)

    def _read(self, reader: Callable[[int, dict[str, str], bytes, datetime], T], answer: _Answer) -> T:
        """What the answer means; an error that quotes a secret says it no more."""
        try:
            return reader(answer.status, answer.headers, answer.body, self._clock.now())
        except errors.WireflowError as error:
            error.args = (self._hide(str(error)),)
            raise

    def _without_secrets(self, said: RunResponse) -> RunResponse:
        """All texts of an answer; the addresses of images stay as they are, or nobody could copy them."""
        hide = self._hide
        steps = (
            replace(step, label=step.label and hide(step.label), status=step.status and hide(step.status))
            for step in said.steps
        )
        return replace(
            said,
            error=said.error and hide(said.error),
            news=tuple(hide(text) for text in said.news),
            raw=hide(said.raw),
            steps=tuple(steps),
        )


def _path(mode: Mode, workflow_id: str) -> str:
    safe = quote(workflow_id, safe="")
    return f"/workflow/{safe}/trigger" if mode is Mode.WEBHOOK else f"/workflows/{safe}/{mode}"


def _unreachable(error: Exception) -> errors.Unavailable:
    return errors.Unavailable(f"Wireflow could not be reached ({type(error).__name__}).")
