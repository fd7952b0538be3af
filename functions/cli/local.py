"""What the local processes are told: the real Wireflow's settings or the simulator's, never a mixture.

Who may come in is said for a deployment: `serve` keeps those doors, to try them; `run` is let in without. Never kept is
what only a deployment knows, whether it is public: all of it listens on 127.0.0.1.

State lies in the current folder under .local/: `live` for the real Wireflow, `serve` and `simulate` for the simulator.
"""

import fcntl
import json
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from functions.cli.errors import WrongSetup
from functions.cli.processes import HOST, ROOT, Server
from functions.simulator.settings import Settings
from shared import config

STATE = Path(".local")
# The framework reads these itself; what a shell has set for other programs must not change our processes.
FRAMEWORK = ("DEBUG", "FUNCTION_SIGNATURE_TYPE", "FUNCTION_USE_ASGI", "WORKERS", "THREADS", "CLOUD_RUN_TIMEOUT_SECONDS")
GRACE_SECONDS = 3.0
# Said of a deployment, and not true here.
DEPLOYED = ("TRIGGER_PUBLIC", "TRUSTED_PROXIES")
DOORS = (
    *("TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "EVENT_SERVICE_ACCOUNT", "EVENT_AUDIENCE", "GOOGLE_CERTS_URL"),
    *("FORM_ORIGINS", "FORM_PER_MINUTE", "FORM_PER_HOUR", "FORM_REQUIRE_TOKEN"),
    *("TURNSTILE_SECRET", "TURNSTILE_VERIFY_URL"),
)
DEFAULTS = {
    "LEASE_SECONDS": "20",  # the shortest: a job whose worker was ended goes on when its lease is over
    "POLL_IDLE_EXIT_SECONDS": "1",  # a window that has nothing to do must not keep Ctrl-C waiting
}
LIVE_HINT = "--live uses the real Wireflow: it needs WIREFLOW_WEBHOOK_ID and WIREFLOW_API_KEY in the environment."


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The two functions, and the simulator unless the real Wireflow is used. `config`: what the functions will read."""

    config: config.Config
    trigger: Server
    poller: Server
    simulator: Server | None

    @property
    def grace(self) -> float:
        """Seconds to end in: a paid call takes up to 8, and one that is cut may be paid twice."""
        return GRACE_SECONDS if self.simulator else 10.0

    def all(self) -> list[Server]:
        """In the order in which they are started."""
        return [*([self.simulator] if self.simulator else []), self.trigger, self.poller]


def servers(
    folder: Path,
    environ: Mapping[str, str],
    *,
    live: bool,
    trigger_port: int | None = None,
    simulator_port: int | None = None,
) -> Servers:
    """The processes for a state in `folder`, on free ports where none is given; WrongSetup names every fault."""
    environ = _without(DEPLOYED, environ)
    ports = iter(free_ports(3))
    simulator = None if live else simulate(folder, environ, simulator_port or next(ports))
    trigger_port, poller_port = trigger_port or next(ports), next(ports)
    settings = {
        **DEFAULTS,
        **environ,
        **_vendor(simulator),
        "JOBS_URL": f"sqlite:///{quote(str(folder.absolute() / 'jobs.db'))}",
        "IMAGES_URL": f"file://{quote(str(folder.absolute() / 'images'))}",
        "PUBLIC_URL": f"http://{HOST}:{trigger_port}",
    }
    return Servers(
        config=_checked(settings, live=live),
        simulator=simulator,
        trigger=Server(name="trigger", port=trigger_port, environ=_process(settings)),
        poller=Server(name="poller", port=poller_port, environ=_process(settings)),
    )


def simulate(folder: Path, environ: Mapping[str, str], port: int) -> Server:
    """The simulator, its ledger in `folder`; WrongSetup names every fault."""
    settings = {**environ, "SIMULATOR_STATE": str(folder.absolute() / "wireflow.jsonl")}
    try:
        Settings.of(settings)
    except ValueError as error:
        raise WrongSetup(f"The configuration of the simulator is wrong:\n{error}") from error
    return Server(name="simulator", port=port, environ=_process(settings), ready="/_stats")


def without_doors(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what it says of callers."""
    return _without(DOORS, environ)


def _vendor(simulator: Server | None) -> dict[str, str]:
    """Where Wireflow is: as the environment says, or the simulator and nobody else."""
    if simulator is None:
        return {}
    expected = Settings.of(simulator.environ)
    return {
        "WIREFLOW_BASE_URL": f"{simulator.url}/api/v1",
        "WIREFLOW_WEBHOOK_ID": expected.webhook_id,
        "WIREFLOW_API_KEY": expected.api_key,
        "IMAGE_HOSTS": f"{HOST}:{simulator.port}",
        "ALLOW_PRIVATE_NETWORK": "true",
        "WIREFLOW_WORKFLOWS": json.dumps(_workflows(expected)),
        "WIREFLOW_MODELS": "{}",
    }


def _workflows(simulated: Settings) -> dict[str, dict[str, Any]]:
    """One of each mode beside the webhook, which is `default`; the prices are the guide's."""
    pro = {
        "mode": "execute",
        "id": simulated.execute_id,
        "model": "nano_banana_pro",
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": {"1K": 0.13, "2K": 0.13, "4K": 0.24},
        "overridable": ["aspect_ratio", "resolution"],
    }
    return {"pro": pro, "saved": {"mode": "run", "id": simulated.run_id, "pricePerImage": 0.07}}


def _checked(settings: Mapping[str, str], *, live: bool) -> config.Config:
    """The same check that stops the functions, before anything is started."""
    try:
        return config.load(settings)
    except config.ConfigurationError as error:
        raise WrongSetup("\n".join([str(error), *([LIVE_HINT] if live else [])])) from error


def _process(settings: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), settings.get("PYTHONPATH")]))
    return {**_without(FRAMEWORK, settings), "PYTHONPATH": path, "LOG_EXECUTION_ID": "false"}


def _without(names: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


# --- ports and folders ---------------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    """Different ports on which nothing listens now."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in sockets]


def is_free(port: int) -> bool:
    """Whether a server could listen there; one that ended a moment ago does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def wanted_port(port: int) -> int:
    """`port`; WrongSetup if something listens there."""
    if not is_free(port):
        raise WrongSetup(f"port {port} of {HOST} is in use; end what listens there, or choose another with --port")
    return port


def kept_port(folder: Path) -> int:
    """The simulator's port, the same after a restart if it is free: image addresses that a job keeps hold it."""
    file = folder / "simulator.port"
    known = file.read_text() if file.exists() else ""
    if not (known.isdigit() and is_free(int(known))):
        known = str(free_ports(1)[0])
        file.write_text(known)
    return int(known)


@contextmanager
def state_folder(name: str) -> Iterator[Path]:
    """`.local/{name}` for one command alone, made if it is not there; WrongSetup while another one has it."""
    folder = made(STATE / name)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongSetup(f"another command keeps its state in {folder}; end that one first") from None
        yield folder


def made(folder: Path) -> Path:
    """The folder, made if it is not there; WrongSetup if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetup(f"{folder}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WrongSetup(f"{folder}: cannot be written to")
    return folder
