"""The calls to Wireflow: moves the bytes, keeps the time limits, and leaves the meaning to `protocol`."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

from shared.errorcodes import ErrorCode
from shared.ports import Clock, RunAnswer, Started
from shared.wireflow import errors, protocol

USER_AGENT = "wireflow-images/1.0"
TRIGGER_SECONDS, POLL_SECONDS, CONNECT_SECONDS = 8.0, 10.0, 4.0
ANSWER_LIMIT = 4 * 1024 * 1024  # bytes of an answer that are read

# Raised before any byte of the request has left: nothing can have been started.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
# All that can go wrong with a call; httpx has no common base for it.
FAILED = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class WireflowClient:
    """Wireflow over HTTP. `base_url` ends in /api/v1; neither the webhook's id nor the key leaves in an error."""

    def __init__(
        self,
        base_url: str,
        webhook_id: str,
        api_key: str,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._hook = f"/workflow/{quote(webhook_id, safe='')}/trigger"
        self._secrets = (webhook_id, api_key)
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._clock = clock
        self._http = httpx.AsyncClient(
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=httpx.Timeout(POLL_SECONDS, connect=CONNECT_SECONDS),
            # A kept connection may be closed by the other side just as a paid call leaves on it: an unknown outcome.
            limits=httpx.Limits(max_keepalive_connections=0),
            # The answer to a redirected POST may come from a GET, and a key may be dropped on the way.
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    async def trigger(self, payload: Mapping[str, Any], idempotency_key: str) -> Started:
        """The paid call, at most 8 s. https://www.wireflow.ai/docs/api/webhooks: it needs no key.

        Refused: nothing was started. OutcomeUnknown: sent and not answered clearly.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        content = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        try:
            answer = await self._call("POST", self._hook, TRIGGER_SECONDS, headers, content)
        except NOT_SENT as error:
            raise errors.Unavailable(f"Wireflow could not be reached ({type(error).__name__}).") from error
        except FAILED as error:
            raise errors.OutcomeUnknown(f"Wireflow did not answer clearly ({type(error).__name__}).") from error
        return protocol.read_trigger(answer.status, answer.headers, answer.body, self._clock.now())

    async def healthy(self) -> bool:
        """Whether the webhook's free health call answers 200."""
        try:
            return (await self._health()).status == 200
        except FAILED:
            return False

    async def check_webhook(self) -> None:
        """Raise what a paid call would meet now, as far as the free health call shows it: Refused or OutcomeUnknown."""
        try:
            answer = await self._health()
        except FAILED as error:
            raise errors.Unavailable(f"Wireflow could not be reached ({type(error).__name__}).") from error
        protocol.read_health(answer.status, answer.headers, answer.body, self._clock.now())

    async def poll(self, execution_id: str) -> RunAnswer:
        """Where a run stands: https://www.wireflow.ai/docs/api/executions. PollError: ask again."""
        return await self._ask(f"/workflows/executions/{quote(execution_id, safe='')}/poll")

    async def details(self, execution_id: str) -> RunAnswer:
        """The same from the details endpoint, which knows of runs that failed silently."""
        return await self._ask(f"/workflows/executions/{quote(execution_id, safe='')}")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def _health(self) -> _Answer:
        return await self._call("GET", self._hook, POLL_SECONDS, {})

    async def _ask(self, path: str) -> RunAnswer:
        try:
            answer = await self._call("GET", path, POLL_SECONDS, self._authorization)
        except FAILED as error:
            message = f"Wireflow could not be asked ({type(error).__name__})."
            raise errors.PollError(message, code=ErrorCode.UPSTREAM_UNREACHABLE) from error
        said = protocol.read_run(answer.status, answer.headers, answer.body, self._clock.now())
        return replace(said, error=said.error and self._hidden(said.error), raw=self._hidden(said.raw))

    async def _call(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str], content: bytes | None = None
    ) -> _Answer:
        async with (
            asyncio.timeout(seconds),
            self._http.stream(method, self._base_url + path, headers=headers, content=content) as response,
        ):
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    break
        names = {name.lower(): value for name, value in response.headers.items()}
        refused = not 200 <= response.status_code < 300
        return _Answer(response.status_code, names, self._without_secrets(body) if refused else body)

    def _hidden(self, text: str) -> str:
        return self._without_secrets(text.encode()).decode()

    def _without_secrets(self, text: bytes) -> bytes:
        """An error may quote the address or the key that it was asked with; from here on nobody sees them."""
        for secret in self._secrets:
            text = text.replace(secret.encode(), b"[hidden]")
        return text
