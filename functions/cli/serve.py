"""`serve` and `simulate`: servers that run until they are interrupted."""

import asyncio
from collections.abc import Mapping

from functions.cli import output
from functions.cli.apps import simulator_app
from functions.cli.client import Client
from functions.cli.events import EventPrinter, LogFormat, print_requests
from functions.cli.folders import locked_state_folder
from functions.cli.local import GRACE, LIVE_GRACE, library_log, local_functions
from functions.cli.servers import Server, serve_while
from functions.cli.settings import simulator_settings
from functions.cli.sockets import listen, listen_on_saved_port, save_port


async def serve(port: int, environ: Mapping[str, str], log_format: LogFormat, *, live: bool) -> None:
    """Serve both functions and call the poller until interrupted; the trigger listens on `port`. Prints their events.

    Raises SetupError for invalid settings, a port or folder in use, and ServerStopped.
    """
    with listen(port) as trigger, locked_state_folder("live" if live else "serve") as folder:
        save_port(trigger, folder / "trigger.port")
        async with (
            local_functions(
                folder,
                environ,
                trigger=trigger,
                simulator=None if live else listen_on_saved_port(folder / "simulator.port"),
                logs=folder,
                grace=LIVE_GRACE if live else GRACE,
                printer=EventPrinter(log_format),
            ) as functions,
            Client(functions.trigger.url, functions.poller.url) as client,
        ):
            output.print_servers(functions, folder, log_format)
            await serve_while(functions.servers, client.keep_polling())


async def simulate(port: int, environ: Mapping[str, str], log_format: LogFormat) -> None:
    """Serve the simulator alone on `port` until interrupted, and print each request.

    Raises SetupError and ServerStopped.
    """
    with listen(port) as listener, locked_state_folder("simulate") as folder, library_log(folder):
        app = print_requests(simulator_app(simulator_settings(environ, folder)), EventPrinter(log_format))
        server = Server("simulator", app, listener, grace=GRACE)
        output.print_simulator(server.url, folder, log_format)
        await serve_while([server], asyncio.Event().wait())
