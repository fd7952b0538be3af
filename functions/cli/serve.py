"""Everything kept up until Ctrl-C: the functions with a poller that ticks by itself, or the simulator alone."""

from collections.abc import Mapping

from functions.cli import local, show
from functions.cli.client import Client
from functions.cli.processes import running, watch
from functions.cli.tasks import first


async def serve(port: int, environ: Mapping[str, str], *, live: bool) -> None:
    """Serve until interrupted; ProcessEnded if one of the processes ends by itself."""
    port = local.wanted_port(port)
    with local.state_folder("live" if live else "serve") as folder:
        simulator_port = None if live else local.kept_port(folder)
        servers = local.servers(folder, environ, live=live, trigger_port=port, simulator_port=simulator_port)
        async with (
            running(servers.all(), folder, grace=servers.grace) as processes,
            Client(servers.trigger.url, servers.poller.url) as client,
        ):
            show.serving(servers, folder)
            await first(watch(processes), client.tick())


async def simulate(port: int, environ: Mapping[str, str]) -> None:
    """The simulator alone, until interrupted."""
    port = local.wanted_port(port)
    with local.state_folder("simulate") as folder:
        simulator = local.simulate(folder, environ, port)
        async with running([simulator], folder, grace=local.GRACE_SECONDS) as processes:
            show.simulating(simulator.url, folder)
            await watch(processes)
