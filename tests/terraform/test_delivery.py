"""The example `delivery`: the roles are those that the resources in use need; pipelines carry what an apply needs."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.terraform.commands import in_script, terraform_faults
from tests.terraform.mocked import ENTRY, MODULE, ROOT, State, initialize, run_test, terraform

DELIVERY = ENTRY / "examples/delivery"
FOLDERS = (MODULE, ENTRY, *(ENTRY / "examples" / name for name in ("minimal", "events", "platform")))
LOAD_BALANCER = ENTRY / "examples/public-form"
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
ROLES = (DELIVERY / "roles.tf").read_text()


def types(kind: str, *folders: Path) -> set[str]:
    """The types of resources, or of data sources, that folders declare."""
    files = (file for folder in folders for file in folder.glob("*.tf"))
    return {found for file in files for found in re.findall(rf'^{kind} "(google_\w+)"', file.read_text(), re.M)}


def table(name: str) -> dict[str, list[str]]:
    """Resource type → what it needs, in a local of roles.tf."""
    (rows,) = re.findall(rf"^  {name} = \{{\n(.*?)^  \}}", ROLES, re.M | re.S)
    return {kind: re.findall(r'"(.+?)"', needs) for kind, needs in re.findall(r"^    (\w+) += \[(.*?)\]", rows, re.M)}


IN_USE = types("resource", *FOLDERS)
BEHIND = types("resource", LOAD_BALANCER) - IN_USE


@pytest.fixture(scope="session")
def delivery(root_module: Path) -> State:
    """What the example makes."""
    folder = initialize(root_module / "examples/delivery")
    terraform(folder, "validate", "-no-color")
    return run_test(folder, "delivery")


def test_every_resource_type_in_use_has_the_roles_that_deploy_it_and_no_other_has() -> None:
    assert set(table("deploys")) == IN_USE
    assert set(table("deploys_load_balancer")) == BEHIND


def test_every_resource_type_and_data_source_has_the_permissions_that_read_it() -> None:
    assert set(table("reads")) == IN_USE | types("data", *FOLDERS)
    assert set(table("reads_load_balancer")) == BEHIND


def test_only_what_is_granted_elsewhere_needs_nothing() -> None:
    assert {kind for kind, needs in table("deploys").items() if not needs} == {"google_project_iam_member"}
    assert {kind for kind, needs in table("reads").items() if not needs} == {"google_storage_bucket_object"}


def test_a_request_that_names_a_quota_project_may_use_it() -> None:
    files = (file.read_text() for folder in (*FOLDERS, LOAD_BALANCER) for file in folder.glob("*.tf"))
    blocks = [
        block for text in files for block in re.findall(r'^resource "(google_\w+)" [^\n]+\n(.*?)^\}', text, re.M | re.S)
    ]
    counted = {kind for kind, block in blocks if re.search(r"^  provider += google\.counted$", block, re.M)}
    assert counted == {"google_billing_budget", "google_firebaserules_release", "google_firebaserules_ruleset"}
    for kind in counted:
        assert "serviceusage.services.use" in table("reads")[kind]
        assert "roles/serviceusage.serviceUsageAdmin" in table("deploys")[kind]  # has that permission


def granted(state: State, account: str) -> dict[str, Any]:
    """Role → condition of what an account is granted on the project."""
    (member,) = [item.values["member"] for item in state.all("google_service_account") if account in item.address]
    grants = [item for item in state.all("google_project_iam_member") if item.values["member"] == member]
    return {item.values["role"]: item.values["condition"] for item in grants}


def test_the_deployer_has_those_roles_and_the_planner_those_permissions(delivery: State) -> None:
    roles = granted(delivery, "deployer")
    needed = {role for name in ("deploys", "deploys_load_balancer") for needs in table(name).values() for role in needs}
    assert set(roles) == needed | {"roles/resourcemanager.projectIamAdmin", "roles/logging.logWriter"}
    assert not set(roles) & {"roles/owner", "roles/editor", "roles/viewer"}
    (custom,) = delivery.all("google_project_iam_custom_role")
    permissions = {
        item for name in ("reads", "reads_load_balancer") for needs in table(name).values() for item in needs
    }
    assert set(custom.values["permissions"]) == permissions
    assert set(granted(delivery, "planner")) == {
        custom.values["id"],
        "roles/storage.objectViewer",
        "roles/logging.logWriter",
    }


def test_the_planner_reads_configuration_and_nothing_else(delivery: State) -> None:
    (custom,) = delivery.all("google_project_iam_custom_role")
    verbs = {permission.rpartition(".")[2] for permission in custom.values["permissions"]}
    uses = {permission for permission in custom.values["permissions"] if permission.endswith(".use")}
    assert verbs == {"get", "list", "getIamPolicy", "getMetadata", "use"}
    assert uses == {"serviceusage.services.use"}  # counts requests against the project's quota
    data = {"datastore.entities.get", "datastore.entities.list", "storage.objects.get", "secretmanager.versions.access"}
    assert not data & set(custom.values["permissions"])
    (condition,) = granted(delivery, "planner")["roles/storage.objectViewer"]
    assert "/buckets/example-project-wireflow-images-sources/" in condition["expression"]


def test_the_deployer_grants_the_roles_of_the_module_alone(delivery: State, deployments: Mapping[str, State]) -> None:
    members = [item for state in deployments.values() for item in state.all("google_project_iam_member")]
    (condition,) = granted(delivery, "deployer")["roles/resourcemanager.projectIamAdmin"]
    allowed = set(re.findall(r"'(roles/.+?)'", condition["expression"]))
    assert allowed == {item.values["role"] for item in members}
    assert ".hasOnly([" in condition["expression"]


def test_the_state_is_kept_in_versions_and_no_identity_has_a_key(delivery: State) -> None:
    (bucket,) = delivery.all("google_storage_bucket")
    assert bucket.values["versioning"] == [{"enabled": True}]
    assert bucket.values["public_access_prevention"] == "enforced"
    assert delivery.all("google_service_account_key") == []
    (provider,) = delivery.all("google_iam_workload_identity_pool_provider")
    assert provider.values["attribute_condition"] == "assertion.repository == 'example/images'"


def test_only_a_job_of_the_environment_becomes_the_deployer(delivery: State) -> None:
    uses = {item.address: item.values["member"] for item in delivery.all("google_service_account_iam_member")}
    assert uses['google_service_account_iam_member.github["deployer"]'].endswith(
        "/subject/repo:example/images:environment:production"
    )
    assert uses['google_service_account_iam_member.github["planner"]'].endswith("/attribute.repository/example/images")


# --- pipelines --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def workflow() -> dict[str, Any]:
    """The workflow for GitHub Actions."""
    document: dict[str, Any] = yaml.safe_load((DELIVERY / "github-actions.yml").read_text())
    return document


@pytest.fixture(scope="session")
def build() -> dict[str, Any]:
    """The configuration for Cloud Build."""
    document: dict[str, Any] = yaml.safe_load((DELIVERY / "cloudbuild.yaml").read_text())
    return document


def step(job: Mapping[str, Any], action: str) -> dict[str, Any]:
    """The step of a job that uses an action, of any version."""
    (found,) = [item for item in job["steps"] if item.get("uses", "").startswith(f"{action}@")]
    return found


def written_while_planning() -> set[str]:
    """The folders, below the one that is applied, of what data sources write."""
    outputs = [
        found for file in MODULE.glob("*.tf") for found in re.findall(r'output_path += "(.+)"', file.read_text())
    ]
    assert outputs
    assert all(path.startswith("${path.root}/") for path in outputs)
    return {path.removeprefix("${path.root}/").rpartition("/")[0] for path in outputs}


def test_the_artifact_has_the_plan_and_what_planning_wrote_at_the_same_paths(workflow: dict[str, Any]) -> None:
    plan, apply = workflow["jobs"]["plan"], workflow["jobs"]["apply"]
    upload, download = step(plan, "actions/upload-artifact")["with"], step(apply, "actions/download-artifact")["with"]
    folder = "${{ env.DIRECTORY }}/"
    carried = {path.removeprefix(folder).rstrip("/") for path in upload["path"].split("\n") if path}
    assert carried == {".terraform/plan"} | written_while_planning()
    assert download["path"] == f"{folder}.terraform"
    assert upload["name"] == download["name"]
    assert upload["include-hidden-files"] is True


def test_the_document_names_the_same_paths() -> None:
    named = set(re.findall(r"^\| `(\.terraform/.+?)/?` \|", (DELIVERY / "README.md").read_text(), re.M))
    assert named == {".terraform/plan"} | written_while_planning()


def test_pull_requests_are_planned_and_main_is_applied(workflow: dict[str, Any]) -> None:
    assert workflow[True] == {"pull_request": None, "push": {"branches": ["main"]}}  # "on" is a boolean of YAML 1.1
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    plan, apply = workflow["jobs"]["plan"], workflow["jobs"]["apply"]
    assert apply["needs"] == "plan"
    assert apply["if"] == "github.event_name == 'push'"
    assert step(plan, "google-github-actions/auth")["with"]["service_account"] == "${{ vars.PLANNER }}"
    assert step(apply, "google-github-actions/auth")["with"]["service_account"] == "${{ vars.DEPLOYER }}"
    (default,) = re.findall(r'^  default     = "(.+)"', _variable("environment"), re.M)
    assert apply["environment"] == default


def _variable(name: str) -> str:
    (block,) = re.findall(rf'^variable "{name}" \{{\n(.*?)^\}}', (DELIVERY / "variables.tf").read_text(), re.M | re.S)
    return str(block)


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
def test_every_command_of_the_pipelines_is_one(workflow: dict[str, Any], build: dict[str, Any]) -> None:
    scripts = [item["run"] for job in workflow["jobs"].values() for item in job["steps"] if "run" in item]
    commands = [words for script in scripts for words in in_script(script)]
    for item in build["steps"]:
        words = ["terraform", *item["args"]]
        commands += in_script(item["args"][1]) if item.get("entrypoint") == "sh" else [words]
    assert len(commands) == 10
    assert [fault for words in commands for fault in terraform_faults(words)] == []


def test_the_pipelines_deploy_what_there_is(workflow: dict[str, Any], build: dict[str, Any]) -> None:
    given = ((workflow["env"], ""), (build["substitutions"], "_"))
    for settings, prefix in given:
        folder = ROOT / settings[f"{prefix}DIRECTORY"]
        for extension in ("gcs", "tfvars"):
            assert (folder / f"environments/{settings[f'{prefix}ENVIRONMENT']}.{extension}").exists()


def test_cloud_build_applies_in_the_folder_that_it_planned_in_and_only_if_it_is_told_to(build: dict[str, Any]) -> None:
    assert {item["dir"] for item in build["steps"]} == {"$_DIRECTORY"}
    assert [item["id"] for item in build["steps"]] == ["init", "validate", "plan", "apply"]
    assert build["substitutions"]["_APPLY"] == "false"
    assert build["steps"][-1]["args"][1].startswith("if [ $_APPLY = true ]; then terraform apply")
    assert build["options"]["logging"] == "CLOUD_LOGGING_ONLY"


@pytest.mark.slow  # builds actionlint first
def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    folder = ROOT / ".venv-actionlint"  # git-ignored
    program = shutil.which("actionlint", path=f"{folder}{os.pathsep}{os.environ['PATH']}")
    if not program:
        environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-modcacherw"}
        try:
            subprocess.run(["go", "install", ACTIONLINT], env=environment, check=True, capture_output=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{ACTIONLINT} cannot be had here: {error}")
    workflows = tmp_path / ".github/workflows"
    workflows.mkdir(parents=True)
    shutil.copy(DELIVERY / "github-actions.yml", workflows)
    command = [program or str(folder / "actionlint"), "-no-color", str(workflows / "github-actions.yml")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
