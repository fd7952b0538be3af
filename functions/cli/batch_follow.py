"""From a submitted batch to its files: `batch` looks at it until all of its jobs are final."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from functions.cli.batch_client import BatchClient, Json, Row
from functions.cli.batch_images import save_row
from functions.cli.batch_output import BatchOutput, write_results
from functions.cli.batch_rows import without_urls
from functions.cli.errors import FetchFailed, SaveFailed
from shared.job_states import Status

FETCH_TRIES = 20  # of all images
SAVES_AT_ONCE = 4


class BatchFollower:
    """Follows one batch, and writes its images and results.csv to `folder`. `files` fetches images."""

    def __init__(
        self,
        client: BatchClient,
        files: httpx.Client,
        batch: Json,
        folder: Path,
        output: BatchOutput,
        *,
        ends: str | None = None,
    ) -> None:
        """`ends`: the URL of the trigger, if it ends with the command."""
        self._client, self._files, self._batch = client, files, batch
        self._folder, self._output, self._ends = folder, output, ends
        self._paths: dict[str, str] = {}  # by row: the name of its first file
        self._reported: set[str] = set()  # rows without an image; some may be retried meanwhile
        self._fetch_tries = 0

    async def finish(self, *, pause: float) -> Json:
        """Return the batch when all jobs are final, and all images and results.csv are written.

        `pause`: seconds between two looks. Raises RequestRejected and SaveFailed.
        """
        rows: Sequence[Row] = ()
        settled: Json = {}  # the counts for which every row was settled
        while True:
            self._batch = await self._client.status(self._batch)
            self._output.progress(self._batch)
            counts = self._batch["counts"]
            if counts != settled and (found := await self._client.results(self._batch)) is not None:
                rows = found
                settled = counts if await self._settle(rows) else settled
            if self._is_final() and counts == settled:
                await asyncio.to_thread(write_results, self._with_files(rows), self._folder)
                self._output.table(self._with_files(rows))
                return self._batch
            await asyncio.sleep(pause)

    def _is_final(self) -> bool:
        """Whether all jobs are final. Of a batch that was canceled, some rows may never become jobs."""
        counts = self._batch["counts"]
        return self._batch["status"] in ("done", "canceled") and not counts["queued"] + counts["running"]

    async def _settle(self, rows: Sequence[Row]) -> bool:
        """Save the images of the rows that have succeeded, and report those that have not; False if some are left."""
        limit = asyncio.Semaphore(SAVES_AT_ONCE)
        succeeded = [row for row in rows if row["status"] == Status.SUCCEEDED]
        for row in rows:
            if row["status"] in (Status.FAILED, Status.CANCELED) and row["row"] not in self._reported:
                self._output.failure(row)
                self._reported.add(row["row"])
        await asyncio.gather(*(self._save(row, limit) for row in succeeded if row["row"] not in self._paths))
        with suppress(SaveFailed):  # it may be open in a spreadsheet; at the end it must not be
            await asyncio.to_thread(write_results, self._with_files(rows), self._folder)
        return all(row["row"] in self._paths for row in succeeded)

    async def _save(self, row: Row, limit: asyncio.Semaphore) -> None:
        async with limit:
            job = await self._client.job(row["jobId"])
            if job is None:
                return
            try:
                paths = await asyncio.to_thread(save_row, self._files, job, int(row["row"]), self._folder)
            except FetchFailed:  # the trigger may just be restarted
                self._fetch_tries += 1
                if self._fetch_tries > FETCH_TRIES:
                    raise
                return
        self._paths[row["row"]] = paths[0].name if paths else ""

    def _with_files(self, rows: Sequence[Row]) -> list[Row]:
        lasting = [without_urls(row, self._ends) for row in rows] if self._ends else rows
        return [{**row, "file": self._paths.get(row["row"], "")} for row in lasting]
