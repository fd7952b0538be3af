"""An HTTP client of `/batches`: the trigger of a deployment, or that of this command."""

import asyncio
import csv
import io
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import httpx

from functions.cli.api import json_of
from functions.cli.batch_file import CSV_TYPE, BatchFile
from functions.cli.errors import RequestFailed, RequestRejected
from functions.cli.text import printable

Json = dict[str, Any]
Row = Mapping[str, str]  # of results.csv
T = TypeVar("T")

SECONDS = 120.0  # for an upload: a thousand rows are stored in ten commits
FIRST_PAUSE, MAX_PAUSE = 1.0, 15.0  # seconds between two tries
SHOWN_ERRORS = 20


class BatchClient:
    """The batches of one trigger.

    `defaults`: fields of all rows; `say` gets each cause for which the trigger cannot be used, once. `may_be_stored`:
    whether rows were submitted, or may have been by an upload whose response was lost.
    """

    def __init__(self, http: httpx.AsyncClient, defaults: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._http, self._defaults, self._say = http, defaults, say
        self._trouble = ""
        self.may_be_stored = False

    async def quote(self, file: BatchFile) -> Json:
        """Return what the upload would cost, and when it would end. Raises RequestRejected and RequestFailed."""
        return await self._upload(file, dryRun="true")

    async def submit(self, file: BatchFile) -> Json:
        """Upload the rows and return the batch. Raises RequestRejected.

        An upload that breaks off is sent again, for as long as it takes: it continues where it was.
        """
        pause = FIRST_PAUSE
        while True:
            batch = await self._try(self._upload(file))
            self.may_be_stored = True
            if batch is not None:
                return batch
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    async def status(self, batch: Json) -> Json:
        """Return the batch as it is now, or unchanged if the trigger cannot say."""
        return await self._try(self._json(f"/batches/{batch['batchId']}")) or batch

    async def results(self, batch: Json) -> Sequence[Row] | None:
        """Return the lines of results.csv, or None if the trigger cannot say."""
        return await self._try(self._rows(f"/batches/{batch['batchId']}/results.csv"))

    async def job(self, job_id: str) -> Json | None:
        """Return a job, or None if the trigger cannot say.

        The URLs of its images are at this trigger, which has the caller's credentials, instead of at its PUBLIC_URL.
        """
        job = await self._try(self._json(f"/jobs/{job_id}"))
        return job and {**job, "images": [self._image(job_id, image) for image in job["images"]]}

    async def _try(self, request: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of a request, or None if it may succeed later."""
        try:
            result = await request
        except RequestFailed as error:
            if str(error) != self._trouble:
                self._say(f"{error} Trying again.")
            self._trouble = str(error)
            return None
        self._trouble = ""
        return result

    def _image(self, job_id: str, image: Json) -> Json:
        own = f"{self._http.base_url}".rstrip("/")
        return {**image, "url": image["url"] and f"{own}/jobs/{job_id}/image/{image['index']}"}

    async def _json(self, path: str) -> Json:
        found: Json = json_of(await self._get(path))
        return found

    async def _rows(self, path: str) -> Sequence[Row]:
        response = await self._get(path)
        if not response.is_success:
            json_of(response)  # raises
        return [*csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))]

    async def _get(self, path: str) -> httpx.Response:
        try:
            return await self._http.get(path)
        except httpx.HTTPError as error:
            raise RequestFailed(_no_response(self._http, error)) from error

    async def _upload(self, file: BatchFile, **parameters: str) -> Json:
        query, headers = {**self._defaults, **parameters}, {"Content-Type": CSV_TYPE}
        try:
            response = await self._http.post(
                "/batches", params=query, content=file.content, headers=headers, timeout=SECONDS
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RequestFailed(_no_response(self._http, error)) from error
        if errors := _row_errors(response):
            raise RequestRejected(_rejection(file, errors))
        result: Json = json_of(response)
        return result


def _no_response(http: httpx.AsyncClient, error: Exception) -> str:
    return f"{http.base_url} did not respond: {str(error).rstrip('.') or type(error).__name__}."


def _row_errors(response: httpx.Response) -> list[Json]:
    with suppress(ValueError, KeyError, TypeError):
        return [*response.json()["errors"]] if response.is_client_error else []
    return []


def _rejection(file: BatchFile, errors: Sequence[Json]) -> str:
    """Every row to correct, on a line of its own."""
    lines = [f"  row {error['row']}: {_with_field(error)}" for error in errors[:SHOWN_ERRORS]]
    more = [f"  and {len(errors) - SHOWN_ERRORS} more"] if len(errors) > SHOWN_ERRORS else []
    return "\n".join([f"{file.name} cannot be sent; nothing was stored. Correct these rows:", *lines, *more])


def _with_field(error: Json) -> str:
    field, detail = error["field"], printable(error["detail"])
    return f"{field}: {detail}" if field and field not in detail else detail
