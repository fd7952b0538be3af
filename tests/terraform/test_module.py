"""The module and its thin root: formatted, valid, and the test deployments cover what they can do."""

import re
from pathlib import Path

import pytest

from tests.terraform import root
from tests.terraform.mocked import ENTRY, FUNCTIONS, MODULE, VARIABLES, WHOLE_NUMBERS, State, terraform


def assigned(text: str) -> set[str]:
    """The names on the left of an assignment of the outermost level or of a `variables` block."""
    return set(re.findall(r"^(?: {2})?(\w+)\s*=", text, re.M))


@pytest.mark.usefixtures("google")
def test_the_files_are_formatted() -> None:
    terraform(ENTRY, "fmt", "-check", "-diff", "-recursive", "-no-color")


def test_the_module_is_valid(root_module: Path) -> None:
    terraform(root_module, "validate", "-no-color")


def test_neither_the_root_nor_the_module_has_a_backend_and_the_module_has_no_provider() -> None:
    for file in (*ENTRY.glob("*.tf"), *MODULE.glob("*.tf")):
        assert not re.search(r'^  backend "', file.read_text(), re.M), file.name
    for file in MODULE.glob("*.tf"):
        assert not re.search(r'^(provider|module) "', file.read_text(), re.M), file.name


@pytest.mark.parametrize("path", root.files(), ids=lambda path: path.name)
def test_the_root_passes_on_every_variable_and_output(path: Path) -> None:
    assert path.read_text() == root.files()[path], "run python -m tests.terraform.root"


def test_no_line_is_longer_than_160_characters() -> None:
    files = [*ENTRY.rglob("*.tf"), *ENTRY.rglob("*.hcl"), *ENTRY.rglob("*.example")]
    lines = ((file, line) for file in files for line in file.read_text().splitlines())
    assert [f"{file.name}: {line}" for file, line in lines if len(line) > 160] == []


def test_the_root_has_no_resource_of_its_own() -> None:
    assert [file for file in ENTRY.glob("*.tf") if re.search(r'^(resource|data) "', file.read_text(), re.M)] == []


def test_only_the_project_is_always_required() -> None:
    required = {name for name, block in VARIABLES.items() if not re.search(r"^  default ", block, re.M)}
    assert required == {"project_id"}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_says_what_it_is_and_refuses_what_it_is_not(name: str) -> None:
    block = VARIABLES[name]
    assert re.search(r"^  description = ", block, re.M)
    assert re.search(r"^  type +=", block, re.M)
    (kind,) = re.findall(r"^  type +=\s*(\w+)", block, re.M)
    assert kind == "bool" or "validation {" in block or name in WHOLE_NUMBERS
    # null either means something or is refused
    assert re.search(r"^  (default +=\s*null|nullable +=\s*false)", block, re.M)


def test_a_deployment_sets_every_variable() -> None:
    files = ("largest", "existing_resources")
    assert set().union(*(assigned((ENTRY / f"tests/{name}.tftest.hcl").read_text()) for name in files)) >= set(
        VARIABLES
    )


def test_the_example_names_variables_that_exist() -> None:
    assert assigned((ENTRY / "terraform.tfvars.example").read_text().replace("# ", "")) <= set(VARIABLES)


def test_no_file_of_a_run_is_left_in_the_repository() -> None:
    assert list(ENTRY.rglob("*_override.tf")) == []


def test_the_outputs_are_those_that_are_promised(deployment: State) -> None:
    always = {"trigger_url", "bucket", "topic", "first_request"}
    assert always <= set(deployment.outputs) <= always | {"request_topic", "dead_letter_subscription"}
    assert deployment.outputs["trigger_url"] == deployment.function("trigger").service["uri"]


def headers(state: State) -> list[str]:
    """What the command of the output `first_request` sends, beside the type."""
    sent = re.findall(r"""-H ["'](.*?)["'](?= )""", state.outputs["first_request"])
    return [header for header in sent if not header.startswith("Content-Type: ")]


def test_the_first_request_brings_what_lets_it_in(
    smallest: State, largest: State, pubsub: State, eventarc: State
) -> None:
    identity = "Bearer $(gcloud auth print-identity-token)"
    assert headers(smallest) == [f"Authorization: {identity}"]
    assert headers(largest) == ["Authorization: Bearer $TOKEN"]
    assert headers(pubsub) == ["Origin: https://example.com"]
    assert headers(eventarc) == [f"X-Serverless-Authorization: {identity}", "Authorization: Bearer $TOKEN"]


def test_nothing_is_made_before_its_api_answers(deployment: State) -> None:
    free = {"google_project_service", "time_sleep", "terraform_data"}
    made = [item for item in deployment.resources if not item.address.startswith("data.") and item.type not in free]
    assert [item.address for item in made if "time_sleep.apis" not in item.depends_on] == []


def test_nothing_is_asked_of_google_before_its_api_answers() -> None:
    for file in MODULE.glob("*.tf"):
        for name, block in re.findall(r'^data "google_(\w+)" "\w+" \{\n(.*?)^\}', file.read_text(), re.M | re.S):
            assert "depends_on = [time_sleep.apis]" in block, name


def test_a_function_waits_for_what_its_build_and_its_start_are_granted(deployment: State) -> None:
    for name in FUNCTIONS:
        assert deployment.function(name).depends_on >= {
            "time_sleep.grants",
            "google_project_iam_member.build",
            "google_project_iam_member.trigger_jobs",
            "google_project_iam_member.poller_jobs",
            "google_secret_manager_secret_iam_member.reader",
        }


def test_no_call_from_outside_reaches_the_poller(deployment: State) -> None:
    assert deployment.function("poller").service["ingress_settings"] == "ALLOW_INTERNAL_ONLY"


def test_the_trigger_accepts_requests_from_where_ingress_says(smallest: State, largest: State) -> None:
    ingress = [state.function("trigger").service["ingress_settings"] for state in (smallest, largest)]
    assert ingress == ["ALLOW_ALL", "ALLOW_INTERNAL_AND_GCLB"]
