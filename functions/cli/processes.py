"""Processes of our own: started together, watched, and ended with everything that they started, whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx

from functions.cli.errors import NotStarted, ProcessEnded

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
READY_SECONDS, STEP_SECONDS = 60.0, 0.05
TAIL_LINES, TAIL_BYTES = 20, 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A function under functions-framework. `name`: its folder and entry point; `ready`: a path that answers 200."""

    name: str
    port: int
    environ: Mapping[str, str]
    ready: str = "/health"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def command(self) -> list[str]:
        """Through the interpreter that runs: PATH may not lead to the scripts beside it."""
        source = ROOT / "functions" / self.name / "main.py"
        framework = [sys.executable, "-m", "functions_framework", "--source", str(source), "--target", self.name]
        return [*framework, "--host", HOST, "--port", str(self.port)]


class Process:
    """A server that runs in a group of its own: Ctrl-C does not reach it, and all of the group can be ended."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server = server
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own files
                server.command,
                cwd=ROOT,
                env=server.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def group(self) -> int:
        """The number of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def tail(self) -> str:
        """The last lines that it wrote."""
        text = self._log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])

    async def answers(self, http: httpx.AsyncClient) -> bool:
        """Whether it is ready."""
        try:
            return (await http.get(self.server.url + self.server.ready)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def signal(self, number: int) -> bool:
        """Whether anything of its group was there to be told."""
        self._process.poll()  # reaps the leader: a zombie still counts as a member of its group
        try:
            os.killpg(self.group, number)
        except (ProcessLookupError, PermissionError):  # the second is what macOS says of a group of zombies
            return False
        return True

    def wait(self) -> None:
        """Until it has ended; at once after SIGKILL."""
        self._process.wait()


@asynccontextmanager
async def running(servers: Sequence[Server], logs: Path, *, grace: float) -> AsyncIterator[list[Process]]:
    """All servers, ready; each writes a file in `logs`. NotStarted if one does not come up.

    Afterwards none is left: what has not ended `grace` seconds after it was told to is killed.
    """
    processes: list[Process] = []
    try:
        for server in servers:
            processes.append(Process(server, logs / f"{server.name}.log"))
        await _all_ready(processes)
        yield processes
    finally:
        await _end(processes, grace)


async def watch(processes: Sequence[Process]) -> NoReturn:
    """Waits for ever; ProcessEnded as soon as one has ended."""
    while True:
        for process in processes:
            if process.exit_code is not None:
                what = f"the {process.server.name} ended by itself (exit code {process.exit_code})"
                raise ProcessEnded(f"{what}; its last words:\n{process.tail()}")
        await asyncio.sleep(0.2)


async def _all_ready(processes: Sequence[Process]) -> None:
    """They start at the same time, so one may be waited for after the other."""
    try:
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient(trust_env=False, timeout=2) as http:
            for process in processes:
                while not await process.answers(http):
                    _check_start(processes)
                    await asyncio.sleep(STEP_SECONDS)
    except TimeoutError:
        tails = "\n".join(f"{process.server.name}:\n{process.tail()}" for process in processes)
        raise NotStarted(f"not all processes were ready within {READY_SECONDS:.0f} s.\n{tails}") from None


def _check_start(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.exit_code is not None:
            raise NotStarted(f"the {process.server.name} did not start; its last words:\n{process.tail()}")


async def _end(processes: Sequence[Process], grace: float) -> None:
    """Tell each group to end, and kill what is left of it: gunicorn waits for a request that may take a minute."""
    for process in processes:
        process.signal(signal.SIGTERM)
    try:
        await _gone(processes, grace)
    finally:  # an impatient Ctrl-C shortens the wait, and leaves nothing behind either
        for process in processes:
            process.signal(signal.SIGKILL)
            process.wait()


async def _gone(processes: Sequence[Process], seconds: float) -> None:
    for _ in range(round(seconds / STEP_SECONDS)):
        if not any(process.signal(0) for process in processes):
            return
        await asyncio.sleep(STEP_SECONDS)
