"""An HTTP client of the trigger and the poller, as callers and the scheduler use them."""

import asyncio
from contextlib import suppress
from typing import Any, NoReturn, Self

import httpx

from functions.cli.errors import RequestRejected, SubmissionFailed, rejection
from functions.cli.input_image import ImageFile
from functions.cli.run_request import RunRequest

PublicJob = dict[str, Any]  # the JSON representation of a job

RESPONSE_SECONDS = 30.0  # the trigger responds within 10
WINDOW_SECONDS = 3600.0  # longer than any window of the poller
POLLER_INTERVAL_SECONDS = 1.0


class Client:
    """A client of one trigger and one poller. Use it as an async context manager."""

    def __init__(self, trigger_url: str, poller_url: str) -> None:
        self._trigger, self._poller = trigger_url, poller_url
        self._http = httpx.AsyncClient(trust_env=False, timeout=RESPONSE_SECONDS)

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def submit(self, request: RunRequest, idempotency_key: str) -> PublicJob:
        """Submit the request and return the job. With a file as the input image it is sent as a multipart form.

        Raises RequestRejected for a 4xx, SubmissionFailed for any other error.
        """
        headers = {"Idempotency-Key": idempotency_key}
        body = _form(request, request.file) if request.file else {"json": request.json}
        try:
            response = await self._http.post(f"{self._trigger}/", headers=headers, **body)
        except httpx.HTTPError as error:
            raise SubmissionFailed(f"The trigger did not respond ({type(error).__name__}).") from error
        if response.is_client_error:
            raise RequestRejected(_reason(response))
        if not response.is_success:
            raise SubmissionFailed(_reason(response))
        return _job(response)

    async def refresh(self, job: PublicJob) -> PublicJob:
        """Return the job as it is now, or unchanged if the trigger cannot say: the next call may succeed."""
        with suppress(httpx.HTTPError, ValueError):
            response = await self._http.get(job["statusUrl"])
            if response.is_success:
                return _job(response)
        return job

    async def keep_polling(self) -> NoReturn:
        """Call the poller again and again, as the scheduler does. A call that fails is repeated like any other."""
        while True:
            await asyncio.sleep(POLLER_INTERVAL_SECONDS)  # a new run is not due earlier
            with suppress(httpx.HTTPError):
                await self._http.post(f"{self._poller}/", timeout=WINDOW_SECONDS)


def _form(request: RunRequest, file: ImageFile) -> dict[str, Any]:
    """Build a multipart body."""
    data: dict[str, list[str]] = {}
    for name, text in request.texts:
        data.setdefault(name, []).append(text)
    return {"data": data, "files": {"image1": ("image1", file.content, file.content_type)}}


def _job(response: httpx.Response) -> PublicJob:
    job: PublicJob = response.json()
    return job


def _reason(response: httpx.Response) -> str:
    """Return why the request was not accepted: what the problem document says, or the status."""
    with suppress(ValueError, KeyError, TypeError):
        problem = response.json()
        return rejection(problem["detail"], problem.get("field"))
    return f"The request was not accepted: HTTP {response.status_code}"
