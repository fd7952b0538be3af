"""`batch`: from a table of prompts to image files, by a deployment or by functions of this command."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from functions.cli.api import RESPONSE_SECONDS
from functions.cli.batch_client import BatchClient, Json, Row
from functions.cli.batch_file import BatchFile, read_file
from functions.cli.batch_images import save_row
from functions.cli.batch_output import BatchOutput, quote_text, write_results
from functions.cli.client import Client
from functions.cli.confirm import confirm
from functions.cli.errors import JobFailed, SaveFailed
from functions.cli.files import FETCH_SECONDS
from functions.cli.folders import create_folder, locked_state_folder
from functions.cli.local import local_functions
from functions.cli.place import Place
from functions.cli.servers import serve_while
from functions.cli.settings import AUTH_SETTINGS, without
from functions.cli.sockets import listen_on_saved_port
from functions.cli.tasks import first_completed
from shared.job_states import FINAL, Status

# The simulator's own figures are those of Wireflow's free plan: 50 images a day.
SIMULATED = {
    "SIMULATOR_RUN_SECONDS": "2",
    "WIREFLOW_PLAN": "enterprise",
    "EXECUTIONS_PER_MINUTE": "60",
}
LOCAL_SECONDS, REMOTE_SECONDS = 0.5, 3.0  # between two looks, at least
ROWS_PER_SECOND = 100
SAVE_TRIES = 20
SAVES_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The arguments of `batch`. `yes`: do not ask before something is paid."""

    file: Path
    out: Path
    place: Place
    workflow: str | None
    yes: bool


class Work(Protocol):
    """What is done with a trigger."""

    def __call__(self, http: httpx.AsyncClient, files: httpx.Client, /) -> Coroutine[Any, Any, Json]:
        """`files` fetches images."""


async def batch(options: BatchOptions, environ: Mapping[str, str], output: BatchOutput) -> None:
    """Submit the rows, follow them, and write their images and results.csv.

    The same command continues a batch that was interrupted: the rows and their order are its key. Raises JobFailed if
    a row has no image, and other errors of `functions.cli.errors`.
    """
    file, folder = read_file(options.file), create_folder(options.out)

    async def work(http: httpx.AsyncClient, files: httpx.Client, /) -> Json:
        client = BatchClient(http, {"workflow": options.workflow} if options.workflow else {})
        submitted = await _submit(client, file, options, output)
        try:
            return await _Batch(client, files, submitted, folder, output).finish(pause=_pause(submitted, options))
        except asyncio.CancelledError:
            output.say(_how_to_go_on(submitted, options))
            raise

    with output:
        url, token = options.place.url, options.place.token
        finished = await (_deployed(work, url, token) if url else _locally(work, environ))
        output.summary(finished, folder)
    counts = finished["counts"]
    if counts["succeeded"] < counts["total"]:
        raise JobFailed(f"{counts['total'] - counts['succeeded']} of {counts['total']} rows have no image.")


async def _submit(client: BatchClient, file: BatchFile, options: BatchOptions, output: BatchOutput) -> Json:
    """Show the price and the time, ask if something is paid, and upload the rows."""
    quote = await client.quote(file)
    if not quote["count"]:
        output.say("These rows were submitted before: nothing is paid again.")
    elif options.place.url and not options.yes:
        await confirm(f"{quote_text(quote)}. Start?")
    else:
        output.say(f"{quote_text(quote)}{'' if options.place.url else ' (simulated: nothing is paid)'}")
    return await client.submit(file, output.say)


class _Batch:
    """A batch that is followed to its end."""

    def __init__(
        self, client: BatchClient, files: httpx.Client, batch: Json, folder: Path, output: BatchOutput
    ) -> None:
        self._client, self._files, self._batch = client, files, batch
        self._folder, self._output = folder, output
        self._paths: dict[str, str] = {}  # by row: the name of its first file, "" if it has none
        self._save_tries = 0

    async def finish(self, *, pause: float) -> Json:
        """Return the batch when all jobs are final, and all images and results.csv are written."""
        rows: Sequence[Row] = ()
        while True:
            self._batch = await self._client.status(self._batch)
            self._output.progress(self._batch)
            if (found := await self._changed_rows()) is not None:
                rows = found
                await self._settle(rows)
            if self._is_over():
                self._output.table(self._with_files(rows))
                return self._batch
            await asyncio.sleep(pause)

    def _is_over(self) -> bool:
        """Whether all jobs are final and settled. Of a batch that was canceled, some rows may never become jobs."""
        counts = self._batch["counts"]
        is_final = self._batch["status"] in ("done", "canceled") and not counts["queued"] + counts["running"]
        return is_final and len(self._paths) >= sum(counts[status] for status in FINAL)

    async def _changed_rows(self) -> Sequence[Row] | None:
        """The rows, if some have become final since the last look."""
        counts = self._batch["counts"]
        if sum(counts[status] for status in FINAL) > len(self._paths):
            return await self._client.results(self._batch)
        return None

    async def _settle(self, rows: Sequence[Row]) -> None:
        """Save the images of the rows that have become final, and report the failures."""
        limit = asyncio.Semaphore(SAVES_AT_ONCE)
        new = [row for row in rows if row["status"] in FINAL and row["row"] not in self._paths]
        await asyncio.gather(*(self._settle_row(row, limit) for row in new))
        await asyncio.to_thread(write_results, self._with_files(rows), self._folder)

    async def _settle_row(self, row: Row, limit: asyncio.Semaphore) -> None:
        if row["status"] != Status.SUCCEEDED:
            self._output.failure(row)
            self._paths[row["row"]] = ""
            return
        async with limit:
            job = await self._client.job(row["jobId"])
            if job is None:
                return
            try:
                paths = await asyncio.to_thread(save_row, self._files, job, int(row["row"]), self._folder)
            except SaveFailed:  # the trigger may just be restarted
                self._save_tries += 1
                if self._save_tries > SAVE_TRIES:
                    raise
                return
        self._paths[row["row"]] = paths[0].name if paths else ""

    def _with_files(self, rows: Sequence[Row]) -> list[Row]:
        return [{**row, "file": self._paths.get(row["row"], "")} for row in rows]


# --- where ---------------------------------------------------------------------------------------------------------


async def _deployed(work: Work, url: str, token: str | None) -> Json:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with _clients(url, headers, trust_env=True) as (http, files):
        return await work(http, files)


async def _locally(work: Work, environ: Mapping[str, str]) -> Json:
    """Work with functions and a simulator of this command, whose state is kept: it can be interrupted."""
    with locked_state_folder("batch") as folder:
        async with AsyncExitStack() as stack:
            functions = await stack.enter_async_context(
                local_functions(
                    folder,
                    without(AUTH_SETTINGS, {**SIMULATED, **environ}),
                    trigger=listen_on_saved_port(folder / "trigger.port"),
                    simulator=listen_on_saved_port(folder / "simulator.port"),
                    logs=folder,
                    grace=0,
                )
            )
            client = await stack.enter_async_context(Client(functions.trigger.url, functions.poller.url))
            http, files = await stack.enter_async_context(_clients(functions.trigger.url, {}, trust_env=False))
            return await serve_while(functions.servers, first_completed(work(http, files), client.keep_polling()))


@asynccontextmanager
async def _clients(
    url: str, headers: Mapping[str, str], *, trust_env: bool
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.Client]]:
    files = httpx.Client(headers=headers, timeout=FETCH_SECONDS, trust_env=trust_env, follow_redirects=True)
    with files:
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=RESPONSE_SECONDS, trust_env=trust_env
        ) as http:
            yield http, files


def _pause(submitted: Json, options: BatchOptions) -> float:
    """Seconds between two looks. A look at a thousand rows may cost a deployment two thousand reads of Firestore."""
    return max(REMOTE_SECONDS, submitted["counts"]["total"] / ROWS_PER_SECOND) if options.place.url else LOCAL_SECONDS


def _how_to_go_on(submitted: Json, options: BatchOptions) -> str:
    again = "Run the same command again to go on"
    if not options.place.url:
        return f"{again}."
    return f"{again}. Until then the deployment works on it; DELETE {submitted['statusUrl']} cancels the queued jobs."
