"""Every command that the documents of terraform/ tell people to type exists, with the flags that it is given."""

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform import root
from tests.terraform.commands import (
    Tree,
    documented,
    exported,
    functions_faults,
    gcloud_faults,
    gcloud_tree,
    of_functions,
    terraform_faults,
)
from tests.terraform.mocked import ENTRY, MODULE

DOCUMENTS = sorted(file for file in ENTRY.rglob("*.md") if ".terraform" not in file.parts)


@pytest.fixture(scope="session")
def gcloud() -> Tree:
    """gcloud's commands and flags."""
    tree = gcloud_tree()
    if tree is None:
        pytest.skip("gcloud is not installed")
    return tree


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ENTRY)))
def test_every_gcloud_command_of_a_document_is_one(path: Path, gcloud: Tree) -> None:
    commands = [words for words in documented(path.read_text()) if words[0] == "gcloud"]
    assert [fault for words in commands for fault in gcloud_faults(words, gcloud)] == []


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ENTRY)))
def test_every_terraform_command_of_a_document_is_one(path: Path) -> None:
    commands = [words for words in documented(path.read_text()) if words[0] == "terraform"]
    assert [fault for words in commands for fault in terraform_faults(words)] == []
    assert exported(path.read_text()) - set(root.blocks("variable")) == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ENTRY)))
def test_every_command_of_our_own_in_a_document_is_one(path: Path) -> None:
    assert [fault for words in of_functions(path.read_text()) for fault in functions_faults(words)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ENTRY)))
def test_every_resource_that_a_document_names_is_declared(path: Path) -> None:
    declared = {
        found
        for file in MODULE.glob("*.tf")
        for found in re.findall(r'^resource "(\w+)" "(\w+)"', file.read_text(), re.M)
    }
    assert set(re.findall(r"module\.images\.(google_\w+)\.(\w+)", path.read_text())) - declared == set()


@pytest.mark.parametrize(
    "step",
    [
        "gcloud firestore export",
        "gcloud firestore databases restore",
        "gcloud run services update-traffic",
        "gcloud secrets versions destroy",
        "gcloud kms keys versions create",
        "terraform import",
    ],
)
def test_a_restore_and_a_rollback_have_their_commands(step: str) -> None:
    commands = documented((ENTRY / "RESTORE.md").read_text())
    named = [" ".join(word for word in words if not word.startswith("-chdir")) for words in commands]
    assert [command for command in named if command.startswith(f"{step} ")]


def test_the_documents_are_read() -> None:
    words = documented((ENTRY / "README.md").read_text())
    assert len([command for command in words if command[0] == "gcloud"]) > 5
    assert len([command for command in words if command[0] == "terraform"]) > 5


@pytest.mark.parametrize(
    "command",
    [
        "gcloud firestore export gs://bucket --snapshot-tiem=NOW",
        "gcloud firestore exports gs://bucket",
        "gcloud firestore export gs://bucket --async=yes",
        "gcloud firestore export gs://bucket --database",
        "gcloud firestore databases create --database=d --type=mongo",
        'echo "$(gcloud auth print-identity-tokens)"',
        "echo x | xargs gcloud pubsub subscriptions describe --formatting=json",
        "terraform -chdir=terraform aply",
        "terraform -chdir=terraform apply -auto-aprove",
        "terraform -chdir=terraform apply -var pubsub_pull=true",
        'URL="$(terraform -chdir=terraform output -raw trigger_uri)"',
        "terraform state remove x",
    ],
)
def test_a_wrong_command_is_found(command: str, gcloud: Tree) -> None:
    (words,) = documented(f"```sh\n{command}\n```")
    assert terraform_faults(words) if words[0] == "terraform" else gcloud_faults(words, gcloud)


@pytest.mark.parametrize(
    "command",
    [
        "gcloud firestore export gs://bucket/$(date +%F) --async --database='(default)' --quiet",
        "gcloud storage buckets create gs://b --no-uniform-bucket-level-access",
        "terraform -chdir=terraform plan -out=plan.bin -var-file=prod.tfvars",
        "terraform -chdir=terraform apply plan.bin",
        "# gcloud is a program\nterraform init  # terraform downloads the providers",
    ],
)
def test_a_right_command_is_not(command: str, gcloud: Tree) -> None:
    for words in documented(f"```sh\n{command}\n```"):
        assert not (terraform_faults(words) if words[0] == "terraform" else gcloud_faults(words, gcloud))


@pytest.mark.parametrize(
    "command", ["control", "control halt", "jobs list --state queued", "jobs list --status waiting"]
)
def test_a_wrong_command_of_our_own_is_found(command: str) -> None:
    (words,) = of_functions(f"```sh\nJOBS_URL=x python -m functions {command}\n```")
    assert functions_faults(words)
