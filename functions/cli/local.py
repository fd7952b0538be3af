"""The functions on this machine: simulator, trigger, and poller in one process, each on a port of its own."""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import socket

import httpx

from functions.cli.apps import poller_app, simulator_app, trigger_app
from functions.cli.client import WINDOW_SECONDS
from functions.cli.events import EventPrinter, PrintedLog
from functions.cli.servers import Server
from functions.cli.settings import Simulated, function_config, simulator_settings
from functions.cli.sockets import listen, url_of
from shared import wiring
from shared.config import Config
from shared.log import Log, quiet_libraries
from shared.ports import WakeUp
from shared.runtime.dependencies import Deps
from shared.wake_up.in_process import InProcessWakeUp

GRACE = 3  # seconds for open requests when a command ends
LIVE_GRACE = 35  # a paid call takes up to 30 s, and one that is cut off may be paid twice


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFunctions:
    """The servers of both functions, and that of the simulator unless the real Wireflow is used."""

    config: Config
    trigger: Server
    poller: Server
    simulator: Server | None

    @property
    def servers(self) -> list[Server]:
        """All of them."""
        return [*([self.simulator] if self.simulator else []), self.trigger, self.poller]


@asynccontextmanager
async def local_functions(
    folder: Path,
    environ: Mapping[str, str],
    *,
    trigger: socket,
    simulator: socket | None,
    logs: Path,
    grace: int,
    printer: EventPrinter | None = None,
) -> AsyncIterator[LocalFunctions]:
    """Build the functions, with their state in `folder` and their log files in `logs`; close everything at the end.

    `trigger` and `simulator` are the sockets to use. Without a simulator the functions use the Wireflow of `environ`.
    `printer` prints what they log.
    Raises SetupError, which names every fault in the settings.
    """
    async with AsyncExitStack() as stack:
        poller = listen()
        for listener in filter(None, (trigger, poller, simulator)):
            stack.enter_context(listener)
        simulated = simulator_server = None
        if simulator:
            simulated = Simulated(url_of(simulator), simulator_settings(environ, folder))
            app = simulator_app(simulated.settings)
            simulator_server = Server("simulator", app, simulator, grace=grace, stops_last=True)
        config = function_config(environ, folder, trigger_url=url_of(trigger), simulated=simulated)
        stack.enter_context(library_log(logs))
        wake_up = InProcessWakeUp(wiring.SystemClock(), partial(_call_poller, url_of(poller)))
        stack.push_async_callback(wake_up.close)
        triggers = trigger_app(_deps(config, _log(logs / "trigger.log", printer, stack), wake_up, stack))
        polls = poller_app(_deps(config, _log(logs / "poller.log", printer, stack), wake_up, stack))
        yield LocalFunctions(
            config=config,
            trigger=Server("trigger", triggers, trigger, grace=grace),
            poller=Server("poller", polls, poller, grace=grace),
            simulator=simulator_server,
        )


@contextmanager
def library_log(folder: Path) -> Iterator[None]:
    """Write what uvicorn and other libraries log to `server.log`: they would print it to the terminal."""
    quiet_libraries()
    handler = logging.FileHandler(folder / "server.log", mode="w")
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


async def _call_poller(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=WINDOW_SECONDS) as http:
        await http.post(f"{url}/")


def _log(path: Path, printer: EventPrinter | None, stack: AsyncExitStack) -> Log:
    """Return a log that is written to a file, and printed by `printer`. The file is closed with `stack`."""
    return Log(stack.enter_context(PrintedLog(path, printer) if printer else path.open("w")))


def _deps(config: Config, log: Log, wake_up: WakeUp, stack: AsyncExitStack) -> Deps:
    """Build the dependencies of one function. They are closed with `stack`."""
    wiring.log_outdated_models(config, log)
    deps = wiring.dependencies(config, log, wake_up)
    stack.push_async_callback(deps.store.close)
    return deps
