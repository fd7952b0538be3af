"""The secrets: handed over by reference to whom they concern, and written down nowhere."""

import re

import pytest

from tests.terraform.mocked import ENTRY, FUNCTIONS, State

REQUIRED = {"WIREFLOW_API_KEY", "WIREFLOW_WEBHOOK_ID"}
AUTH = {"TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "TURNSTILE_SECRET"}
OPTIONAL = AUTH | {"WIREFLOW_WORKFLOWS"}


def test_the_values_are_in_neither_the_state_nor_the_output(deployment: State) -> None:
    values = {
        "hook-kept-secret",
        "key-kept-secret",
        "turnstile-kept-secret",
        "workflow-kept-secret",
        "whsec_c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWUhISEh",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    }
    for value in values:
        assert any(value in file.read_text() for file in ENTRY.glob("tests/*.tftest.hcl"))
        assert value not in deployment.output


def named(state: State) -> set[str]:
    """The secrets that there are."""
    return {re.findall(r'\["(\w+)"\]', item.address)[0] for item in state.all("google_secret_manager_secret")}


def test_there_is_a_secret_for_each_that_is_in_use(smallest: State, largest: State, eventarc: State) -> None:
    assert named(smallest) == REQUIRED
    assert named(largest) == REQUIRED | OPTIONAL
    assert named(eventarc) == REQUIRED | {"TRIGGER_TOKENS"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_reads_the_version_that_terraform_made(deployment: State, name: str) -> None:
    given = deployment.function(name).service["secret_environment_variables"]
    assert {item["key"]: (item["project_id"], item["secret"], item["version"]) for item in given} == {
        setting: (
            "example-project",
            deployment.one(f'google_secret_manager_secret.wireflow["{setting}"]').values["secret_id"],
            deployment.one(f'google_secret_manager_secret_version.wireflow["{setting}"]').values["version"],
        )
        for setting in (named(deployment) if name == "trigger" else named(deployment) - AUTH)
    }


def test_a_version_belongs_to_its_own_secret(deployment: State) -> None:
    for setting in named(deployment):
        secret = deployment.one(f'google_secret_manager_secret.wireflow["{setting}"]')
        version = deployment.one(f'google_secret_manager_secret_version.wireflow["{setting}"]')
        assert version.values["secret"] == secret.values["id"]


def test_a_raised_secrets_version_makes_new_versions(smallest: State, largest: State) -> None:
    for state, expected in ((smallest, "1"), (largest, "7")):
        made = state.all("google_secret_manager_secret_version")
        assert {str(item.values["secret_data_wo_version"]) for item in made} == {expected}


def test_no_function_mounts_a_secret_or_has_one_in_its_build(deployment: State) -> None:
    for name in FUNCTIONS:
        function = deployment.function(name)
        assert function.service["secret_volumes"] == []
        assert function.values["build_config"][0]["environment_variables"] in ({}, None)
