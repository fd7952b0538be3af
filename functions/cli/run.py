"""One prompt from the request to the image file, on processes that live as long as it takes."""

import asyncio
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.cli import local
from functions.cli.client import Client, PublicJob
from functions.cli.errors import JobFailed, Unfinished, WrongSetup
from functions.cli.files import save_images
from functions.cli.input_image import InputImage
from functions.cli.processes import running, watch
from functions.cli.show import Screen, failure, follow_live
from functions.cli.tasks import first
from shared.job import FINAL, Status

LOOK_SECONDS = 0.3
# A simulated run need not take as long as a real one.
SIMULATED = {"SIMULATOR_RUN_SECONDS": "2"}
NO_EARLIER_JOB = "--image: a run without --live starts fresh and knows no earlier job; name the file that it wrote."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What `run` was asked for. `timeout`: seconds to wait from the moment when the job is accepted."""

    prompt: str
    out: Path
    timeout: float
    live: bool
    workflow: str | None = None
    image: InputImage | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the request."""
        named = {"workflow": self.workflow} if self.workflow is not None else {}
        return {"prompt": self.prompt, **named, **(self.image.fields if self.image else {})}


async def run(wish: Wish, environ: Mapping[str, str], screen: Screen) -> None:
    """Show the job and write its images; JobFailed or Unfinished if there is more to say than that.

    Nobody else knows the trigger of this run: it answers this machine alone, whatever doors the environment names.
    """
    if wish.image and wish.image.job and not wish.live:
        raise WrongSetup(NO_EARLIER_JOB)
    with _folders(live=wish.live) as (state, logs), screen.progress():
        servers = local.servers(state, local.without_doors({**SIMULATED, **environ}), live=wish.live)
        local.made(wish.out)
        screen.step("starting " + ", ".join(server.name for server in servers.all()))
        async with running(servers.all(), logs, grace=servers.grace if wish.live else 0) as processes:
            job = await first(_made(servers, wish, screen), watch(processes))
    _judge(job, wish)


async def _made(servers: local.Servers, wish: Wish, screen: Screen) -> PublicJob:
    """The job when it has ended, or when the time to wait is over; shown, and its images written."""
    async with Client(servers.trigger.url, servers.poller.url) as client:
        job = await _ended(client, wish, screen)
    screen.result(job)
    screen.written(await asyncio.to_thread(save_images, job, wish.out))
    return job


@contextmanager
def _folders(*, live: bool) -> Iterator[tuple[Path, Path]]:
    """Where the state and the logs go: both are new and removed afterwards, except the state of live work."""
    with tempfile.TemporaryDirectory(prefix="wireflow-", ignore_cleanup_errors=True) as temporary:
        yield (local.made(local.STATE / "live") if live else Path(temporary), Path(temporary))


async def _ended(client: Client, wish: Wish, screen: Screen) -> PublicJob:
    job = await client.submit(wish.fields, str(uuid.uuid4()), wish.image.file if wish.image else None)
    screen.job(job)
    try:
        return await first(_followed(client, job, wish.timeout, screen), client.tick())
    except asyncio.CancelledError:
        if wish.live:
            screen.step(follow_live(job))
        raise


async def _followed(client: Client, job: PublicJob, seconds: float, screen: Screen) -> PublicJob:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while job["status"] not in FINAL and (left := deadline - clock()) > 0:
        await asyncio.sleep(min(LOOK_SECONDS, left))
        job = await client.read(job)
        screen.job(job)
    return job


def _judge(job: PublicJob, wish: Wish) -> None:
    if job["status"] not in FINAL:
        going_on = follow_live(job) if wish.live else "Wait longer with --timeout; this job is not kept."
        raise Unfinished(
            f"job {job['id']} is still {job['status']} after {wish.timeout:g} s. {job['message']} {going_on}"
        )
    if job["status"] != Status.SUCCEEDED:
        raise JobFailed(failure(job))
