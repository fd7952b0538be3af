"""The settings of the local functions: those of the real Wireflow or those of the simulator, never a mixture.

They come from the environment, except what is true of a deployment only: all servers listen on 127.0.0.1.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from functions.cli.errors import SetupError
from functions.cli.sockets import saved_url
from functions.simulator.settings import Plan, Settings
from shared import config
from shared.config import Config
from shared.workflows import DEFAULT

DEPLOYMENT_SETTINGS = ("TRIGGER_PUBLIC", "TRUSTED_PROXIES")
AUTH_SETTINGS = (
    *("TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "EVENT_SERVICE_ACCOUNT", "EVENT_AUDIENCE", "GOOGLE_CERTS_URL"),
    *("FORM_ORIGINS", "FORM_PER_MINUTE", "FORM_PER_HOUR", "FORM_REQUIRE_TOKEN"),
    *("TURNSTILE_SECRET", "TURNSTILE_SITE_KEY", "TURNSTILE_VERIFY_URL"),
)
DEFAULTS = {
    "LEASE_SECONDS": "20",  # the minimum: after an interruption a job continues when its lease ends
    "PLAYGROUND": "true",
    "POLL_IDLE_EXIT_SECONDS": "1",  # an idle window must not delay Ctrl-C
    "CALLBACK_HOSTS": "localhost,127.0.0.1",  # with the simulator, receivers may run on this machine
}
# Settings that the functions require and commands on stores do not use, or only IMAGES_URL in place of a deployment.
UNUSED = {"WIREFLOW_WEBHOOK_ID": "unused", "WIREFLOW_API_KEY": "unused", "IMAGES_URL": "file:///unused"}
LIVE_HINT = "--live uses the real Wireflow: set WIREFLOW_WEBHOOK_ID and WIREFLOW_API_KEY in the environment."


@dataclass(frozen=True, slots=True)
class Simulated:
    """The simulator that takes the place of Wireflow."""

    url: str
    settings: Settings


def function_config(
    environ: Mapping[str, str], folder: Path, *, trigger_url: str, simulated: Simulated | None
) -> Config:
    """Return the configuration of the trigger and the poller, with their state in `folder`.

    Without `simulated` they use the Wireflow of the environment. Raises SetupError, which names every fault.
    """
    settings = {
        **DEFAULTS,
        **(_plan_of(simulated) if simulated else {}),
        **without(DEPLOYMENT_SETTINGS, environ),
        **(_simulated_wireflow(simulated) if simulated else {}),
        "JOBS_URL": f"sqlite:///{quote(str(folder.absolute() / 'jobs.db'))}",
        "IMAGES_URL": f"file://{quote(str(folder.absolute() / 'images'))}",
        "PUBLIC_URL": trigger_url,
    }
    try:
        return config.load(settings)
    except config.ConfigurationError as error:
        raise SetupError(str(error) if simulated else f"{error}\n{LIVE_HINT}") from error


def planned_config(environ: Mapping[str, str], *, live: bool) -> Config:
    """Return the configuration that `function_config` will, apart from folders and ports. Creates nothing.

    Raises SetupError, which names every fault.
    """
    url, folder = "http://127.0.0.1", Path()
    simulated = None if live else Simulated(url, simulator_settings(environ, folder))
    return function_config(environ, folder, trigger_url=url, simulated=simulated)


def stored_config(environ: Mapping[str, str], state: Path, *, live: bool) -> Config:
    """Return the configuration of commands that only use stores: that of JOBS_URL, or else that of `serve`.

    `state` is the folder of all local state. Authentication settings are ignored: who can read the store may do
    everything. Raises SetupError, which names every fault.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    if "JOBS_URL" not in given:
        folder = state / ("live" if live else "serve")
        plan = {} if live else _plan_of(Simulated("", simulator_settings(given, folder)))
        given = {**DEFAULTS, **plan, **given, **_local_state(given, folder, live=live)}
    try:
        return config.load({**UNUSED, **without((*DEPLOYMENT_SETTINGS, *AUTH_SETTINGS), given)})
    except config.ConfigurationError as error:
        raise SetupError(str(error)) from error


def _local_state(environ: Mapping[str, str], folder: Path, *, live: bool) -> dict[str, str]:
    """Return the settings that `serve` has had in this folder."""
    if not folder.is_dir():  # the store is created when it is first used
        raise SetupError(
            f"There is no job store in {folder}. Start `serve` first, or set JOBS_URL. "
            "Commands on jobs and hooks reach a deployment with --url."
        )
    simulated = Simulated(saved_url(folder / "simulator.port"), simulator_settings(environ, folder))
    return {
        **({} if live else _simulated_wireflow(simulated)),
        "JOBS_URL": f"sqlite:///{quote(str(folder.absolute() / 'jobs.db'))}",
        "IMAGES_URL": f"file://{quote(str(folder.absolute() / 'images'))}",
        "PUBLIC_URL": saved_url(folder / "trigger.port"),
    }


def simulator_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Return the settings of the simulator, with its state in `folder`. Raises SetupError, which names every fault."""
    try:
        return Settings.of({**environ, "SIMULATOR_STATE": str(folder.absolute() / "wireflow.jsonl")})
    except ValueError as error:
        raise SetupError(f"Invalid configuration of the simulator:\n{error}") from error


def without(names: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without these variables."""
    return {name: value for name, value in environ.items() if name not in names}


def _plan_of(simulated: Simulated) -> dict[str, str]:
    """Return the default plan: that of the simulator, or without its limits the largest, so that nothing waits."""
    return {"WIREFLOW_PLAN": simulated.settings.plan or Plan.ENTERPRISE}


def _simulated_wireflow(simulated: Simulated) -> dict[str, str]:
    """Return every setting that says where Wireflow is and what it offers."""
    return {
        "WIREFLOW_BASE_URL": f"{simulated.url}/api/v1",
        "WIREFLOW_WEBHOOK_ID": simulated.settings.webhook_id,
        "WIREFLOW_API_KEY": simulated.settings.api_key,
        "IMAGE_HOSTS": urlsplit(simulated.url).netloc,
        "ALLOW_PRIVATE_NETWORK": "true",
        "WIREFLOW_WORKFLOWS": json.dumps(_simulated_workflows(simulated.settings)),
        "WIREFLOW_MODELS": "{}",
    }


def _simulated_workflows(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return one workflow of each mode. All have the price of the same model: a spend limit needs one."""
    price = 0.2  # 20 credits of $0.01, as for nano_banana_pro
    default = {"mode": "webhook", "id": settings.webhook_id, "pricePerImage": price}
    pro = {
        "mode": "execute",
        "id": settings.execute_id,
        "model": "nano_banana_pro",
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": price,
        "overridable": ["aspect_ratio", "resolution"],
    }
    return {DEFAULT: default, "pro": pro, "saved": {"mode": "run", "id": settings.run_id, "pricePerImage": price}}
