"""Terraform on a copy of the repository, once a run for each version of the google provider."""

import shutil
from pathlib import Path

import pytest

from tests.terraform.mocked import (
    ENTRY,
    GOOGLE_VERSIONS,
    State,
    TerraformError,
    copy_repository,
    empty_packages,
    initialize,
    pin_google,
    run_test,
    terraform,
)
from tests.terraform.variables_alone import copy_variables

*OLDER, NEWEST = GOOGLE_VERSIONS
DEPLOYMENTS = ("smallest", "largest", "existing_database", "existing_resources", "pubsub", "eventarc")


@pytest.fixture(scope="session", params=[pytest.param(version, marks=pytest.mark.slow) for version in OLDER] + [NEWEST])
def google(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A version of the google provider that this machine can have; without Terraform or it, the test is skipped."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed")
    probe = tmp_path_factory.mktemp("probe")
    shutil.copy(ENTRY / "terraform.tf", probe)
    (probe / "variables.tf").write_text('variable "project_id" {}\nvariable "region" {}\nvariable "name" {}\n')
    pin_google(probe, request.param)
    try:
        terraform(probe, "init", "-input=false", "-no-color")
    except TerraformError as error:
        reason = str(error).partition("Error: ")[2].partition("\n")[0]
        pytest.skip(f"terraform >= 1.11 with google {request.param} cannot be had here: {reason}")
    return str(request.param)


@pytest.fixture(scope="session")
def root_module(google: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialized copy of the folder that is applied, in a copy of the repository whose functions are empty."""
    copy = copy_repository(tmp_path_factory.mktemp("copy"))
    empty_packages(copy)
    pin_google(copy, google)
    return initialize(copy)


@pytest.fixture(scope="session")
def variables_alone(google: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables of the module without its resources, initialized."""
    return copy_variables(tmp_path_factory.mktemp(f"variables-{google}"))


@pytest.fixture(scope="session")
def deployments(root_module: Path) -> dict[str, State]:
    """What each file of terraform/tests/ with a deployment in it makes."""
    return {name: run_test(root_module, name) for name in DEPLOYMENTS}


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request: pytest.FixtureRequest, deployments: dict[str, State]) -> State:
    """Each deployment in turn."""
    return deployments[request.param]


@pytest.fixture
def smallest(deployments: dict[str, State]) -> State:
    """The deployment of the required variables alone."""
    return deployments["smallest"]


@pytest.fixture
def largest(deployments: dict[str, State]) -> State:
    """The deployment with every variable set."""
    return deployments["largest"]


@pytest.fixture
def pubsub(deployments: dict[str, State]) -> State:
    """The deployment with requests from a topic, pushed by Pub/Sub; public, with a form."""
    return deployments["pubsub"]


@pytest.fixture
def eventarc(deployments: dict[str, State]) -> State:
    """The deployment with requests from a topic by way of Eventarc; with tokens."""
    return deployments["eventarc"]


@pytest.fixture
def existing_database(deployments: dict[str, State]) -> State:
    """The deployment onto a database that was there before."""
    return deployments["existing_database"]


@pytest.fixture
def existing_resources(deployments: dict[str, State]) -> State:
    """The deployment with secrets, channels, a key, a repository, and accounts that exist already."""
    return deployments["existing_resources"]


@pytest.fixture(scope="session")
def internal(root_module: Path) -> State:
    """The deployment whose trigger is reached from inside alone."""
    return run_test(root_module, "internal")
