"""Our own routes as a caller uses them: hand in a prompt, read the job, fetch an image, tick the poller."""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn, Self

import httpx

from functions.cli.errors import NotAccepted, RequestRefused
from functions.cli.input_image import Picture

PublicJob = dict[str, Any]  # README, "The job"

ANSWER_SECONDS = 30.0  # the trigger answers within 10
WINDOW_SECONDS = 3600.0  # longer than any window of the poller
BETWEEN_TICKS = 1.0


class Client:
    """A trigger and a poller at their addresses; a context manager."""

    def __init__(self, trigger_url: str, poller_url: str) -> None:
        self._trigger, self._poller = trigger_url, poller_url
        self._http = httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS)

    async def __aenter__(self) -> Self:
        """Open."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def submit(self, fields: Mapping[str, str], idempotency_key: str, file: Picture | None = None) -> PublicJob:
        """The job that the trigger made of a request; RequestRefused or NotAccepted says why there is none.

        With a `file`, its input image, the request is a form.
        """
        body = _form(fields, file) if file else _json(fields)
        request = self._http.build_request("POST", f"{self._trigger}/", **body)
        request.headers["Idempotency-Key"] = idempotency_key
        try:
            answer = await self._http.send(request)
        except httpx.HTTPError as error:
            raise NotAccepted(f"the trigger did not answer ({type(error).__name__})") from error
        if answer.is_client_error:
            raise RequestRefused(f"the request was refused: {_reason(answer)}")
        if not answer.is_success:
            raise NotAccepted(f"the request was not accepted: {_reason(answer)}")
        return _job(answer)

    async def read(self, job: PublicJob) -> PublicJob:
        """The job as it is now, or as it was where the trigger cannot say: the next look may tell."""
        with suppress(httpx.HTTPError, ValueError):
            answer = await self._http.get(job["statusUrl"])
            if answer.is_success:
                return _job(answer)
        return job

    async def tick(self) -> NoReturn:
        """Call the poller as the scheduler would, again and again; a call that fails is no worse than one not made."""
        while True:
            await asyncio.sleep(BETWEEN_TICKS)  # first of all: a new run is not due before
            with suppress(httpx.HTTPError):
                await self._http.post(f"{self._poller}/", timeout=WINDOW_SECONDS)


def _json(fields: Mapping[str, str]) -> dict[str, Any]:
    return {"content": json.dumps(fields), "headers": {"Content-Type": "application/json"}}


def _form(fields: Mapping[str, str], file: Picture) -> dict[str, Any]:
    """Bytes of the command line that are no text go as they are: the trigger says what is wrong with them."""
    data = {name: os.fsencode(value) for name, value in fields.items()}
    return {"data": data, "files": {"image1": ("image1", file.content, file.content_type)}}


def _job(answer: httpx.Response) -> PublicJob:
    job: PublicJob = answer.json()
    return job


def _reason(answer: httpx.Response) -> str:
    """The problem document's own words, where there is one."""
    with suppress(ValueError, KeyError, TypeError):
        return str(answer.json()["detail"])
    return f"HTTP {answer.status_code}"
