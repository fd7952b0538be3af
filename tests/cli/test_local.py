"""What the local processes are told: the simulator and nobody else, or what the environment says of the real one."""

import ast
import inspect
import json
import socket
from pathlib import Path

from functions.cli.local import DEPLOYED, DOORS, kept_port, servers, without_doors
from shared import config

MY_WORKFLOWS = json.dumps({"poster": {"mode": "run", "id": "my-poster"}})
MINE = {"WIREFLOW_WEBHOOK_ID": "mine", "WIREFLOW_API_KEY": "sk-mine", "JOBS_URL": "firestore://mine/db"}


def test_without_live_no_setting_leads_to_the_real_wireflow(tmp_path: Path):
    environ = MINE | {"WIREFLOW_BASE_URL": "https://www.wireflow.ai/api/v1", "IMAGE_HOSTS": "fal.media"}
    chosen = servers(tmp_path / "a b#c", environ, live=False)
    assert chosen.simulator is not None
    for server in (chosen.trigger, chosen.poller):
        told = config.load(server.environ)
        assert told.wireflow_base_url == f"{chosen.simulator.url}/api/v1"
        assert (told.webhook_id, told.api_key) == ("demo-webhook", "sk-simulator")
        assert told.image_hosts == (f"127.0.0.1:{chosen.simulator.port}",)
        assert told.jobs == config.Location("sqlite", "", str(tmp_path / "a b#c" / "jobs.db"))
        assert told.images == config.Location("file", "", str(tmp_path / "a b#c" / "images"))


def test_live_keeps_the_settings_of_the_environment_and_opens_nothing(tmp_path: Path):
    chosen = servers(tmp_path, MINE | {"IMAGE_HOSTS": "fal.media"}, live=True)
    assert chosen.simulator is None
    told = config.load(chosen.poller.environ)
    assert told.wireflow_base_url == "https://www.wireflow.ai/api/v1"
    assert (told.webhook_id, told.api_key) == ("mine", "sk-mine")
    assert told.image_hosts == ("fal.media",)
    assert told.allow_private_network is False
    assert told.jobs.scheme == "sqlite"


def test_without_live_there_is_a_workflow_of_each_mode_at_the_simulator(tmp_path: Path):
    mine = {"WIREFLOW_WORKFLOWS": MY_WORKFLOWS, "WIREFLOW_MODELS": '{"nano_banana_pro": ["8K"]}'}
    told = servers(tmp_path, mine | {"SIMULATOR_EXECUTE_ID": "other"}, live=False).config
    assert [(one.name, one.mode, one.id) for one in told.workflows] == [
        ("default", "webhook", "demo-webhook"),
        ("pro", "execute", "other"),
        ("saved", "run", "demo-saved"),
    ]
    pro = told.workflows[1]
    assert (pro.model, pro.resolution, pro.aspect_ratio) == ("nano_banana_pro", "2K", "16:9")
    assert pro.overridable == ("aspect_ratio", "resolution")


def test_live_the_workflows_are_those_of_the_environment(tmp_path: Path):
    told = servers(tmp_path, MINE | {"WIREFLOW_WORKFLOWS": MY_WORKFLOWS}, live=True).config
    assert [(one.name, one.id) for one in told.workflows] == [("default", "mine"), ("poster", "my-poster")]


def test_the_doors_are_kept_unless_they_are_taken_out(tmp_path: Path):
    environ = {"TRIGGER_TOKENS": json.dumps({"zapier": "a" * 64}), "FORM_ORIGINS": "https://a.example"}
    kept = servers(tmp_path, environ, live=False).config.auth
    assert ([token.name for token in kept.tokens], kept.origins) == (["zapier"], ("https://a.example",))
    assert servers(tmp_path, without_doors(environ), live=False).config.auth.configured is False


def test_whether_a_deployment_is_public_says_nothing_of_this_machine(tmp_path: Path):
    for public in ("true", "false"):
        chosen = servers(tmp_path, {"TRIGGER_PUBLIC": public}, live=False)
        assert chosen.config.auth.public is None
        assert config.load(chosen.trigger.environ).auth.public is None


def test_every_setting_of_a_door_is_known_as_one():
    """What `config` reads of the doors, but for where it runs."""
    source = ast.parse(inspect.getsource(config._auth))
    read = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {name for name in read if name.isupper()} == {*DOORS, *DEPLOYED, "K_SERVICE"}


def test_what_the_user_set_goes_through_and_what_the_framework_reads_does_not(tmp_path: Path):
    environ = {
        "MAX_IMAGE_BYTES": "1000",
        "LEASE_SECONDS": "30",
        "SIMULATOR_SEED": "7",
        "DEBUG": "app:*",
        "WORKERS": "4",
    }
    chosen = servers(tmp_path, environ, live=False)
    assert chosen.simulator is not None
    told = config.load(chosen.trigger.environ)
    assert (told.max_image_bytes, told.lease) == (1000, 30)
    assert chosen.simulator.environ["SIMULATOR_SEED"] == "7"
    for server in chosen.all():
        assert server.environ.keys().isdisjoint({"DEBUG", "WORKERS"})


def test_the_job_addresses_are_those_that_the_user_reaches(tmp_path: Path):
    chosen = servers(tmp_path, {"PUBLIC_URL": "https://images.example"}, live=False, trigger_port=8123)
    assert config.load(chosen.trigger.environ).public_url == "http://127.0.0.1:8123"


def test_the_simulator_keeps_its_port_while_it_is_free(tmp_path: Path):
    port = kept_port(tmp_path)
    assert kept_port(tmp_path) == port
    with socket.create_server(("127.0.0.1", port)):
        assert kept_port(tmp_path) != port
