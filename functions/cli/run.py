"""`run`: one prompt from the request to the image file, with functions that exist only while the command runs."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from functions.cli.client import Client, PublicJob
from functions.cli.errors import JobFailed, JobUnfinished, SetupError
from functions.cli.files import save_images
from functions.cli.folders import STATE, create_folder
from functions.cli.local import LIVE_GRACE, LocalFunctions, local_functions
from functions.cli.output import RunOutput, failure, how_to_follow, open_images
from functions.cli.run_request import RunRequest, check_request
from functions.cli.servers import serve_while
from functions.cli.settings import AUTH_SETTINGS, planned_config, without
from functions.cli.sockets import listen
from functions.cli.tasks import first_completed
from shared.job_states import FINAL, Status
from shared.workflows import MODELS, parse_models

REFRESH_SECONDS = 0.3
SIMULATED = {"SIMULATOR_RUN_SECONDS": "2"}  # the simulator's own default is as slow as the real Wireflow
NO_EARLIER_JOB = "--image: without --live, `run` starts with empty state and has no earlier jobs. Give an image file."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The arguments of `run`. `timeout`: seconds that the command may take, from `started_at` (monotonic seconds)."""

    request: RunRequest
    out: Path
    timeout: float
    live: bool
    open_images: bool = False
    started_at: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """How long the command may still take."""
        return max(self.started_at + self.timeout - time.monotonic(), 0)


async def run(options: RunOptions, environ: Mapping[str, str], output: RunOutput) -> None:
    """Create one image, show the job, and write the image to a file. Nothing is started for a request that is invalid.

    Authentication settings are ignored: the trigger then accepts requests from this machine only. Raises JobFailed if
    the job did not succeed, JobUnfinished at the timeout, and other errors of `functions.cli.errors`.
    """
    environ = without(AUTH_SETTINGS, {**SIMULATED, **environ})
    _check_options(options, environ)
    with _folders(live=options.live) as (state, logs), output:
        async with local_functions(
            state,
            environ,
            trigger=listen(),
            simulator=None if options.live else listen(),
            logs=logs,
            grace=LIVE_GRACE if options.live else 0,
        ) as functions:
            job = await serve_while(functions.servers, _create_image(functions, options, output))
    _check_job(job, options)


def _check_options(options: RunOptions, environ: Mapping[str, str]) -> None:
    """Raise SetupError or RequestRejected for what can be known before anything is started."""
    if options.request.image and options.request.image.job_id and not options.live:
        raise SetupError(NO_EARLIER_JOB)
    config = planned_config(environ, live=options.live)
    models = parse_models(environ.get("WIREFLOW_MODELS") or "{}") if options.live else MODELS
    check_request(options.request, config, models.values())
    create_folder(options.out)


@contextmanager
def _folders(*, live: bool) -> Iterator[tuple[Path, Path]]:
    """Create the folders for state and logs. They are deleted afterwards, except the state of --live."""
    with tempfile.TemporaryDirectory(prefix="wireflow-", ignore_cleanup_errors=True) as temporary:
        yield create_folder(STATE / "live") if live else Path(temporary), Path(temporary)


async def _create_image(functions: LocalFunctions, options: RunOptions, output: RunOutput) -> PublicJob:
    """Submit the request, follow the job until it is final or the time is over, and write its images to files."""
    async with Client(functions.trigger.url, functions.poller.url) as client:
        job = await _submit(client, options)
        output.job(job)
        try:
            job = await first_completed(_follow(client, job, options, output), client.keep_polling())
        except asyncio.CancelledError:
            if options.live:
                output.progress(how_to_follow(job))
            raise
    output.result(job)
    paths = await asyncio.to_thread(save_images, job, options.out)
    output.paths(paths)
    if options.open_images:
        open_images(paths)
    return job


async def _submit(client: Client, options: RunOptions) -> PublicJob:
    try:
        async with asyncio.timeout(options.seconds_left):
            return await client.submit(options.request, str(uuid.uuid4()))
    except TimeoutError:
        kept = " If it was accepted, `python -m functions jobs list --live` shows it." if options.live else ""
        raise JobUnfinished(f"No job was accepted within {options.timeout:g} s.{kept}") from None


async def _follow(client: Client, job: PublicJob, options: RunOptions, output: RunOutput) -> PublicJob:
    with suppress(TimeoutError):
        async with asyncio.timeout(options.seconds_left):
            while job["status"] not in FINAL:
                await asyncio.sleep(REFRESH_SECONDS)
                job = await client.refresh(job)
                output.job(job)
    return job


def _check_job(job: PublicJob, options: RunOptions) -> None:
    """Raise JobUnfinished or JobFailed unless the job succeeded."""
    if job["status"] not in FINAL:
        next_step = how_to_follow(job) if options.live else "Use a longer --timeout; this job is not kept."
        raise JobUnfinished(
            f"The job {job['id']} is still {job['status']} after {options.timeout:g} s. {job['message']} {next_step}"
        )
    if job["status"] != Status.SUCCEEDED:
        raise JobFailed(failure(job))
