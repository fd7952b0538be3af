"""`run`: one prompt from the request to the image file, with functions that exist only while the command runs."""

import asyncio
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.cli.client import Client, PublicJob
from functions.cli.errors import JobFailed, JobUnfinished, SetupError
from functions.cli.files import save_images
from functions.cli.folders import STATE, create_folder
from functions.cli.input_image import InputImage
from functions.cli.local import LIVE_GRACE, LocalFunctions, local_functions
from functions.cli.output import RunOutput, failure, how_to_follow
from functions.cli.servers import serve_while
from functions.cli.settings import AUTH_SETTINGS, without
from functions.cli.sockets import listen
from functions.cli.tasks import first_completed
from shared.job_states import FINAL, Status

REFRESH_SECONDS = 0.3
SIMULATED = {"SIMULATOR_RUN_SECONDS": "2"}  # the simulator's own default is as slow as the real Wireflow
NO_EARLIER_JOB = "--image: without --live, `run` starts with empty state and has no earlier jobs. Give an image file."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The arguments of `run`. `timeout`: seconds to wait for the job after it was accepted."""

    prompt: str
    out: Path
    timeout: float
    live: bool
    workflow: str | None = None
    image: InputImage | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the request."""
        workflow = {"workflow": self.workflow} if self.workflow is not None else {}
        return {"prompt": self.prompt, **workflow, **(self.image.fields if self.image else {})}


async def run(options: RunOptions, environ: Mapping[str, str], output: RunOutput) -> None:
    """Create one image, show the job, and write the image to a file.

    Authentication settings are ignored: the trigger then accepts requests from this machine only. Raises JobFailed if
    the job did not succeed, JobUnfinished at the timeout, and other errors of `functions.cli.errors`.
    """
    if options.image and options.image.job_id and not options.live:
        raise SetupError(NO_EARLIER_JOB)
    with _folders(live=options.live) as (state, logs), output:
        async with local_functions(
            state,
            without(AUTH_SETTINGS, {**SIMULATED, **environ}),
            trigger=listen(),
            simulator=None if options.live else listen(),
            logs=logs,
            grace=LIVE_GRACE if options.live else 0,
        ) as functions:
            create_folder(options.out)
            job = await serve_while(functions.servers, _create_image(functions, options, output))
    _check(job, options)


@contextmanager
def _folders(*, live: bool) -> Iterator[tuple[Path, Path]]:
    """Create the folders for state and logs. They are deleted afterwards, except the state of --live."""
    with tempfile.TemporaryDirectory(prefix="wireflow-", ignore_cleanup_errors=True) as temporary:
        yield create_folder(STATE / "live") if live else Path(temporary), Path(temporary)


async def _create_image(functions: LocalFunctions, options: RunOptions, output: RunOutput) -> PublicJob:
    """Submit the request, follow the job until it is final or the time is over, and write its images to files."""
    async with Client(functions.trigger.url, functions.poller.url) as client:
        file = options.image.file if options.image else None
        job = await client.submit(options.fields, str(uuid.uuid4()), file)
        output.job(job)
        try:
            job = await first_completed(_follow(client, job, options.timeout, output), client.keep_polling())
        except asyncio.CancelledError:
            if options.live:
                output.progress(how_to_follow(job))
            raise
    output.result(job)
    output.paths(await asyncio.to_thread(save_images, job, options.out))
    return job


async def _follow(client: Client, job: PublicJob, seconds: float, output: RunOutput) -> PublicJob:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while job["status"] not in FINAL and (left := deadline - clock()) > 0:
        await asyncio.sleep(min(REFRESH_SECONDS, left))
        job = await client.refresh(job)
        output.job(job)
    return job


def _check(job: PublicJob, options: RunOptions) -> None:
    """Raise JobUnfinished or JobFailed unless the job succeeded."""
    if job["status"] not in FINAL:
        next_step = how_to_follow(job) if options.live else "Use a longer --timeout; this job is not kept."
        raise JobUnfinished(
            f"The job {job['id']} is still {job['status']} after {options.timeout:g} s. {job['message']} {next_step}"
        )
    if job["status"] != Status.SUCCEEDED:
        raise JobFailed(failure(job))
