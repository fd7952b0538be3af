"""The webhook id and the key: handed over by reference, and written down nowhere."""

import pytest

from tests.terraform.mocked import FUNCTIONS, MODULE, State

VARIABLES = ("WIREFLOW_API_KEY", "WIREFLOW_WEBHOOK_ID")
VALUES = ("hook-that-nobody-may-see", "key-that-nobody-may-see")


def test_the_values_are_in_neither_the_state_nor_the_output(deployment: State) -> None:
    for value in VALUES:
        assert any(value in file.read_text() for file in MODULE.glob("tests/*.tftest.hcl"))
        assert value not in deployment.output


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_reads_the_version_that_terraform_made(deployment: State, name: str) -> None:
    given = deployment.function(name).service["secret_environment_variables"]
    assert {item["key"]: (item["project_id"], item["secret"], item["version"]) for item in given} == {
        variable: (
            "example-project",
            deployment.one(f'google_secret_manager_secret.wireflow["{variable}"]').values["secret_id"],
            deployment.one(f'google_secret_manager_secret_version.wireflow["{variable}"]').values["version"],
        )
        for variable in VARIABLES
    }


def test_a_version_belongs_to_its_own_secret(deployment: State) -> None:
    for variable in VARIABLES:
        secret = deployment.one(f'google_secret_manager_secret.wireflow["{variable}"]')
        version = deployment.one(f'google_secret_manager_secret_version.wireflow["{variable}"]')
        assert version.values["secret"] == secret.values["id"]


def test_a_raised_secrets_version_makes_new_versions(smallest: State, largest: State) -> None:
    for state, expected in ((smallest, "1"), (largest, "7")):
        made = state.all("google_secret_manager_secret_version")
        assert [str(item.values["secret_data_wo_version"]) for item in made] == [expected, expected]


def test_no_function_mounts_a_secret_or_has_one_in_its_build(deployment: State) -> None:
    for name in FUNCTIONS:
        function = deployment.function(name)
        assert function.service["secret_volumes"] == []
        assert function.values["build_config"][0]["environment_variables"] in ({}, None)
