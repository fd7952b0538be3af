"""`batch`: from a table of prompts to image files, by a deployment or by functions of this command."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from functions.cli.api import RESPONSE_SECONDS
from functions.cli.batch_client import BatchClient, Json
from functions.cli.batch_file import BatchFile, read_file
from functions.cli.batch_follow import BatchFollower
from functions.cli.batch_output import RESULTS, BatchOutput, quote_text
from functions.cli.client import Client
from functions.cli.confirm import confirm
from functions.cli.errors import JobFailed, RequestRejected, SaveFailed, SetupError
from functions.cli.files import FETCH_SECONDS
from functions.cli.folders import create_folder, locked_state_folder
from functions.cli.local import local_functions
from functions.cli.place import Place
from functions.cli.servers import serve_while
from functions.cli.settings import AUTH_SETTINGS, without
from functions.cli.sockets import listen_on_saved_port
from functions.cli.tasks import first_completed

# Every plan of Wireflow has ten starts a minute, and runs of about 15 seconds.
SIMULATED = {"SIMULATOR_RUN_SECONDS": "2", "EXECUTIONS_PER_MINUTE": "60"}
LOCAL_SECONDS, REMOTE_SECONDS = 0.5, 3.0  # between two looks, at least
ROWS_PER_SECOND = 100


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
    if options.file.resolve() == (folder / RESULTS).resolve():
        raise SetupError(f"The results would replace {options.file}. Rename it, or use another --out.")

    async def work(http: httpx.AsyncClient, files: httpx.Client, /) -> Json:
        client = BatchClient(http, {"workflow": options.workflow} if options.workflow else {}, output.say)
        await _agree(client, file, options, output)
        submitted: Json | None = None
        try:
            submitted = await client.submit(file)
            ends = None if options.place.url else str(http.base_url).rstrip("/")
            follower = BatchFollower(client, files, submitted, folder, output, ends=ends)
            return await follower.finish(pause=_pause(submitted, options))
        except (asyncio.CancelledError, SaveFailed, RequestRejected) as error:
            if client.may_be_stored or not isinstance(error, RequestRejected):
                output.say(_how_to_go_on(submitted, options))
            raise

    with output:
        url = options.place.url
        finished = await (_deployed(work, url, options.place.headers) if url else _locally(work, environ))
        output.summary(finished, folder, simulated=url is None)
    counts = finished["counts"]
    if counts["succeeded"] < counts["total"]:
        missing = f"{counts['total'] - counts['succeeded']} of {counts['total']} rows have no image."
        raise JobFailed(f"{missing} The column errorHint of {folder / RESULTS} says what to do.")


async def _agree(client: BatchClient, file: BatchFile, options: BatchOptions, output: BatchOutput) -> None:
    """Show the price and the time, and ask if something is paid."""
    quote = await client.quote(file)
    if not quote["count"]:
        output.say("These rows were submitted before: nothing is paid again.")
    elif options.place.url and not options.yes:
        await confirm(f"{quote_text(quote)}. Start?")
    else:
        output.say(f"{quote_text(quote)}{'' if options.place.url else ' (simulated: nothing is paid)'}")


# --- where ---------------------------------------------------------------------------------------------------------


async def _deployed(work: Work, url: str, headers: Mapping[str, str]) -> Json:
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
    files = httpx.Client(
        headers=headers,
        timeout=FETCH_SECONDS,
        trust_env=trust_env,
        follow_redirects=True,  # to the signed URL of an image
        event_hooks={"request": [_keep_at(url, headers)]},
    )
    with files:
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=RESPONSE_SECONDS, trust_env=trust_env
        ) as http:
            yield http, files


def _keep_at(url: str, headers: Iterable[str]) -> Callable[[httpx.Request], None]:
    """Return a hook that removes `headers` from requests to any other host: httpx keeps all but Authorization."""
    own = _origin(httpx.URL(url))

    def remove_elsewhere(request: httpx.Request) -> None:
        if _origin(request.url) != own:
            for name in headers:
                request.headers.pop(name, None)

    return remove_elsewhere


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _pause(submitted: Json, options: BatchOptions) -> float:
    """Seconds between two looks. A look at a thousand rows may cost a deployment two thousand reads of Firestore."""
    return max(REMOTE_SECONDS, submitted["counts"]["total"] / ROWS_PER_SECOND) if options.place.url else LOCAL_SECONDS


def _how_to_go_on(submitted: Json | None, options: BatchOptions) -> str:
    again = "Run the same command again to continue."
    if not options.place.url:
        return again
    if submitted is None:
        return f"{again} Rows that were submitted continue in the deployment, and are not paid again."
    url = submitted["statusUrl"]
    return f"{again} Meanwhile the deployment continues with the batch; DELETE {url} cancels the queued jobs."
