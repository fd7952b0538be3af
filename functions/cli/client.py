"""An HTTP client of the trigger and the poller, as callers and the scheduler use them."""

import asyncio
from contextlib import suppress
from typing import Any, NoReturn, Self

import httpx

from functions.cli.api import RESPONSE_SECONDS, json_of
from functions.cli.errors import RequestFailed
from functions.cli.input_image import ImageFile
from functions.cli.run_request import RunRequest

PublicJob = dict[str, Any]  # the JSON representation of a job

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

        Raises RequestRejected if it must be changed, RequestFailed for any other error.
        """
        headers = {"Idempotency-Key": idempotency_key}
        body = _form(request, request.file) if request.file else {"json": request.json}
        try:
            response = await self._http.post(f"{self._trigger}/", headers=headers, **body)
        except httpx.HTTPError as error:
            raise RequestFailed(f"The trigger did not respond ({type(error).__name__}).") from error
        job: PublicJob = json_of(response)
        return job

    async def refresh(self, job: PublicJob) -> PublicJob:
        """Return the job as it is now, or unchanged if the trigger cannot say: the next call may succeed."""
        with suppress(httpx.HTTPError, ValueError):
            response = await self._http.get(job["statusUrl"])
            if response.is_success:
                newer: PublicJob = response.json()
                return newer
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
