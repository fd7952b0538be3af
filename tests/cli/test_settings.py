"""The local functions use the simulator only, or the Wireflow of the environment; never a mixture."""

import ast
import inspect
import json
from pathlib import Path

import pytest

from functions.cli.errors import SetupError
from functions.cli.settings import (
    AUTH_SETTINGS,
    DEPLOYMENT_SETTINGS,
    Simulated,
    function_config,
    simulator_settings,
    without,
)
from shared import config
from shared.config import Config

TRIGGER, SIMULATOR = "http://127.0.0.1:8123", "http://127.0.0.1:8124"
MY_WORKFLOWS = json.dumps({"poster": {"mode": "run", "id": "my-poster"}})
MINE = {"WIREFLOW_WEBHOOK_ID": "mine", "WIREFLOW_API_KEY": "sk-mine", "JOBS_URL": "firestore://mine/db"}


def simulated(folder: Path, environ: dict[str, str]) -> Config:
    simulator = Simulated(SIMULATOR, simulator_settings(environ, folder))
    return function_config(environ, folder, trigger_url=TRIGGER, simulated=simulator)


def live(folder: Path, environ: dict[str, str]) -> Config:
    return function_config(environ, folder, trigger_url=TRIGGER, simulated=None)


def test_without_live_no_setting_leads_to_the_real_wireflow(tmp_path: Path):
    environ = MINE | {"WIREFLOW_BASE_URL": "https://www.wireflow.ai/api/v1", "IMAGE_HOSTS": "fal.media"}
    loaded = simulated(tmp_path / "a b#c", environ)
    assert loaded.wireflow_base_url == f"{SIMULATOR}/api/v1"
    assert (loaded.webhook_id, loaded.api_key) == ("demo-webhook", "sk-simulator")
    assert loaded.image_hosts == ("127.0.0.1:8124",)
    assert loaded.jobs == config.Location("sqlite", "", str(tmp_path / "a b#c" / "jobs.db"))
    assert loaded.images == config.Location("file", "", str(tmp_path / "a b#c" / "images"))


def test_live_keeps_the_settings_of_the_environment_and_allows_no_private_address(tmp_path: Path):
    loaded = live(tmp_path, MINE | {"IMAGE_HOSTS": "fal.media"})
    assert loaded.wireflow_base_url == "https://www.wireflow.ai/api/v1"
    assert (loaded.webhook_id, loaded.api_key) == ("mine", "sk-mine")
    assert loaded.image_hosts == ("fal.media",)
    assert loaded.allow_private_network is False
    assert loaded.jobs.scheme == "sqlite"


def test_without_live_the_simulator_offers_a_workflow_of_each_mode(tmp_path: Path):
    mine = {"WIREFLOW_WORKFLOWS": MY_WORKFLOWS, "WIREFLOW_MODELS": '{"nano_banana_pro": ["8K"]}'}
    loaded = simulated(tmp_path, mine | {"SIMULATOR_EXECUTE_ID": "other"})
    assert [(one.name, one.mode, one.id) for one in loaded.workflows] == [
        ("default", "webhook", "demo-webhook"),
        ("pro", "execute", "other"),
        ("saved", "run", "demo-saved"),
    ]
    pro = loaded.workflows[1]
    assert (pro.model, pro.resolution, pro.aspect_ratio) == ("nano_banana_pro", "2K", "16:9")
    assert pro.overridable == ("aspect_ratio", "resolution")


def test_live_the_workflows_are_those_of_the_environment(tmp_path: Path):
    loaded = live(tmp_path, MINE | {"WIREFLOW_WORKFLOWS": MY_WORKFLOWS})
    assert [(one.name, one.id) for one in loaded.workflows] == [("default", "mine"), ("poster", "my-poster")]


def test_authentication_is_that_of_the_environment_unless_it_is_left_out(tmp_path: Path):
    environ = {"TRIGGER_TOKENS": json.dumps({"zapier": "a" * 64}), "FORM_ORIGINS": "https://a.example"}
    auth = simulated(tmp_path, environ).auth
    assert ([token.name for token in auth.tokens], auth.origins) == (["zapier"], ("https://a.example",))
    assert simulated(tmp_path, without(AUTH_SETTINGS, environ)).auth.configured is False


@pytest.mark.parametrize("public", ["true", "false"])
def test_whether_a_deployment_is_public_does_not_matter_here(tmp_path: Path, public: str):
    assert simulated(tmp_path, {"TRIGGER_PUBLIC": public}).auth.public is None


def test_every_authentication_setting_is_known_as_one():
    """All that `config` reads about authentication, except where it runs."""
    source = ast.parse(inspect.getsource(config._auth))
    read = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {name for name in read if name.isupper()} == {*AUTH_SETTINGS, *DEPLOYMENT_SETTINGS, "K_SERVICE"}


def test_settings_of_the_environment_reach_functions_and_simulator(tmp_path: Path):
    environ = {"MAX_IMAGE_BYTES": "1000", "LEASE_SECONDS": "30", "SIMULATOR_SEED": "7"}
    loaded = simulated(tmp_path, environ)
    assert (loaded.max_image_bytes, loaded.lease) == (1000, 30)
    assert simulator_settings(environ, tmp_path).seed == 7


def test_the_plan_is_the_largest_or_that_of_the_simulator_or_of_the_environment(tmp_path: Path):
    free = simulated(tmp_path, {"WIREFLOW_PLAN": "free"})
    largest = simulated(tmp_path, {})
    assert (free.limits.per_day, free.limits.at_once) == (50, 1)
    assert (largest.limits.per_day, largest.limits.at_once) == (0, 20)
    assert simulated(tmp_path, {"SIMULATOR_PLAN": "free"}).limits == free.limits
    assert live(tmp_path, MINE).limits.per_day == 50


def test_job_urls_lead_to_the_local_trigger(tmp_path: Path):
    assert simulated(tmp_path, {"PUBLIC_URL": "https://images.example"}).public_url == TRIGGER


def test_every_invalid_setting_is_named_at_once(tmp_path: Path):
    with pytest.raises(SetupError, match=r"(?s)ON_UNKNOWN.*MAX_IMAGE_BYTES") as error:
        simulated(tmp_path, {"MAX_IMAGE_BYTES": "0", "ON_UNKNOWN": "maybe"})
    assert error.value.exit_code == 2
    with pytest.raises(SetupError, match=r"(?s)SIMULATOR_PLAN.*SIMULATOR_STYLE"):
        simulator_settings({"SIMULATOR_PLAN": "gold", "SIMULATOR_STYLE": "baroque"}, tmp_path)
