"""The secrets: handed over by reference to whom they concern, and written down nowhere."""

import re

import pytest

from tests.terraform.mocked import ENTRY, FUNCTIONS, State

REQUIRED = {"WIREFLOW_API_KEY", "WIREFLOW_WEBHOOK_ID"}
AUTH = {"TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "TURNSTILE_SECRET", "CALLBACK_SIGNING_SECRETS_SHA256"}
POLLERS = {"CALLBACK_SIGNING_SECRETS", "TRIGGER_SIGNING_SECRETS_SHA256"}
OPTIONAL = AUTH | POLLERS | {"WIREFLOW_WORKFLOWS"}


def test_the_values_are_in_neither_the_state_nor_the_output(deployment: State) -> None:
    values = {
        "hook-kept-secret",
        "key-kept-secret",
        "turnstile-kept-secret",
        "workflow-kept-secret",
        "whsec_c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWUhISEh",
        "whsec_c2VjcmV0LWZvci1ub3RpZmljYXRpb25zLW9ubHkhISEh",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    }
    for value in values:
        assert any(value in file.read_text() for file in ENTRY.glob("tests/*.tftest.hcl"))
        assert value not in deployment.output


def named(state: State) -> set[str]:
    """The secrets that there are."""
    return {re.findall(r'\["(\w+)"\]', item.address)[0] for item in state.all("google_secret_manager_secret")}


def used(state: State) -> dict[str, dict[str, tuple[str, str, str]]]:
    """For each function, environment variable → project, secret, and version."""
    return {
        name: {
            item["key"]: (item["project_id"], item["secret"], item["version"])
            for item in state.function(name).service["secret_environment_variables"]
        }
        for name in FUNCTIONS
    }


def test_a_secret_that_exists_is_used_without_a_value(existing_resources: State) -> None:
    assert named(existing_resources) == {"TURNSTILE_SECRET"}
    both = {"WIREFLOW_WEBHOOK_ID": ("vault", "hook", "3"), "WIREFLOW_API_KEY": ("vault", "key", "latest")}
    assert used(existing_resources)["poller"] == both
    trigger = used(existing_resources)["trigger"]
    assert trigger.pop("TURNSTILE_SECRET")[0] == "example-project"
    assert trigger == both | {"TRIGGER_TOKENS": ("vault", "tokens", "latest")}


def test_there_is_a_secret_for_each_that_is_in_use(smallest: State, largest: State, eventarc: State) -> None:
    assert named(smallest) == REQUIRED
    assert named(largest) == REQUIRED | OPTIONAL
    assert named(eventarc) == REQUIRED | {"TRIGGER_TOKENS"}


@pytest.mark.parametrize("deployed", ["smallest", "largest", "pubsub", "eventarc", "existing_database"])
def test_a_function_reads_the_version_that_terraform_made(deployments: dict[str, State], deployed: str) -> None:
    state = deployments[deployed]
    made = {
        setting: (
            "example-project",
            state.one(f'google_secret_manager_secret.wireflow["{setting}"]').values["secret_id"],
            state.one(f'google_secret_manager_secret_version.wireflow["{setting}"]').values["version"],
        )
        for setting in named(state)
    }
    poller = {setting: version for setting, version in made.items() if setting not in AUTH}
    trigger = {setting: version for setting, version in made.items() if setting not in POLLERS}
    assert used(state) == {"trigger": trigger, "poller": poller}


def test_a_version_belongs_to_its_own_secret(deployment: State) -> None:
    for setting in named(deployment):
        secret = deployment.one(f'google_secret_manager_secret.wireflow["{setting}"]')
        version = deployment.one(f'google_secret_manager_secret_version.wireflow["{setting}"]')
        assert version.values["secret"] == secret.values["id"]


def write_versions(state: State) -> dict[str, str]:
    """Secret → the version of its value."""
    versions = state.all("google_secret_manager_secret_version")
    return {re.findall(r'"(\w+)"', item.address)[0]: str(item.values["secret_data_wo_version"]) for item in versions}


def test_a_raised_secrets_version_makes_new_versions(smallest: State) -> None:
    assert write_versions(smallest) == dict.fromkeys(REQUIRED, "1")


def test_one_secret_can_have_a_version_of_its_own(largest: State) -> None:
    assert write_versions(largest) == dict.fromkeys(REQUIRED | OPTIONAL, "7") | {"WIREFLOW_API_KEY": "8"}


def test_the_version_that_a_previous_revision_reads_stays_enabled(deployment: State) -> None:
    versions = deployment.all("google_secret_manager_secret_version")
    assert {item.values["deletion_policy"] for item in versions} == {"ABANDON"}


def test_no_function_mounts_a_secret_or_has_one_in_its_build(deployment: State) -> None:
    for name in FUNCTIONS:
        function = deployment.function(name)
        assert function.service["secret_volumes"] == []
        assert function.values["build_config"][0]["environment_variables"] in ({}, None)
