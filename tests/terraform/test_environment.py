"""What the functions are told: every setting that shared/config.py reads, and no other."""

import ast
import re

import pytest

from shared import config
from shared.config import Config, Location, OnUnknown
from shared.spending.gate import Limits
from tests.terraform.mocked import FUNCTIONS, ROOT, Resource, State

# Cloud Run's own name, and what only local runs may have.
NOT_GIVEN = {"K_SERVICE", "ALLOW_PRIVATE_NETWORK", "FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"}
ALWAYS = {"JOBS_URL", "IMAGES_URL", "PUBLIC_URL", "WIREFLOW_WEBHOOK_ID", "WIREFLOW_API_KEY"}
SECRETS = {"WIREFLOW_WEBHOOK_ID": "hook", "WIREFLOW_API_KEY": "key"}


def settings() -> set[str]:
    """Every environment variable that shared/config.py names."""
    tree = ast.parse((ROOT / "shared/config.py").read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", text)}


def names(function: Resource) -> list[str]:
    """The environment variables of a function, the secret ones among them."""
    secret = [item["key"] for item in function.service["secret_environment_variables"]]
    return sorted([*function.service["environment_variables"], *secret])


def load(function: Resource) -> Config:
    """What the function makes of its environment."""
    given = function.service["environment_variables"] | SECRETS | {"K_SERVICE": function.values["name"]}
    return config.load(given)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_with_every_option_on_a_function_is_given_what_it_reads(largest: State, name: str) -> None:
    assert names(largest.function(name)) == sorted((settings() - NOT_GIVEN) | {"LOG_EXECUTION_ID"})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_that_is_off_leaves_its_name_out(smallest: State, name: str) -> None:
    assert names(smallest.function(name)) == sorted(ALWAYS | {"LOG_EXECUTION_ID"})


def test_both_functions_are_told_the_same(deployment: State) -> None:
    trigger, poller = (deployment.function(name).service for name in FUNCTIONS)
    assert trigger["environment_variables"] == poller["environment_variables"]


def test_the_platform_is_kept_from_replacing_the_loggers(deployment: State) -> None:
    assert deployment.function("trigger").service["environment_variables"]["LOG_EXECUTION_ID"] == "false"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_understands_the_smallest_environment(smallest: State, name: str) -> None:
    understood = load(smallest.function(name))
    assert understood.jobs == Location("firestore", "example-project", "(default)")
    assert understood.images == Location("gs", "example-project-wireflow-images", "")
    assert understood.public_url == "https://wireflow-images-trigger-123456789012.us-central1.run.app"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_understands_the_largest_environment(largest: State, name: str) -> None:
    understood = load(largest.function(name))
    assert understood.jobs == Location("firestore", "example-project", "jobs")
    assert understood.limits == Limits(per_minute=0, per_day=500)
    assert understood.on_unknown is OnUnknown.HOLD
    assert understood.max_image_bytes == 100 * 1024 * 1024
    assert (understood.poll_window, understood.poll_idle_exit, understood.max_queue_hours) == (50, 1, 0.5)
    assert understood.image_hosts == ("cdn.wireflow.ai", "localhost:8090")
    assert understood.public_url == "https://images.example.com"


def test_a_database_that_was_there_is_used_and_left_as_it_is(existing_database: State) -> None:
    assert load(existing_database.function("poller")).jobs == Location("firestore", "example-project", "theirs")
    assert existing_database.all("google_firestore_database") == []
    assert existing_database.all("google_firebaserules_release") == []
