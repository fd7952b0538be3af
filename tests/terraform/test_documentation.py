"""terraform/README.md: the commands for a saved plan, an import, and the first request do what they say."""

import posixpath
import re

from tests.terraform.mocked import ENTRY, MODULE, ROOT, State

README = (ENTRY / "README.md").read_text()


def test_a_saved_plan_is_carried_with_every_package(deployment: State) -> None:
    (carried,) = re.findall(r"^tar -czf \S+ (.*)$", README, re.M)
    folders = {path for path in carried.split() if path.startswith("terraform/")}
    packages = {
        posixpath.normpath(f"terraform/{item.values['output_path']}") for item in deployment.all("archive_file")
    }
    assert len(packages) == 2
    assert [path for path in packages if posixpath.dirname(path) not in folders] == []
    assert {"terraform/saved.tfplan", "terraform/.terraform.lock.hcl"} <= folders


def test_the_database_that_is_imported_is_one_of_the_module(smallest: State) -> None:
    (address,) = re.findall(r"import 'module\.images\.(.*?)' 'projects/PROJECT/databases/\(default\)'", README)
    assert smallest.one(address).type == "google_firestore_database"


def test_both_logins_are_there_before_the_first_request() -> None:
    before = README.partition("output -raw first_request")[0]
    assert "gcloud auth login " in before
    assert "gcloud auth application-default login" in before


def test_the_secret_whose_old_version_is_destroyed_is_one_of_the_module(smallest: State) -> None:
    (name,) = re.findall(r"gcloud secrets versions destroy VERSION --secret=NAME(\S+)", README)
    secrets = [item.values["secret_id"] for item in smallest.all("google_secret_manager_secret")]
    assert f"wireflow-images{name}" in secrets


def test_a_lock_file_can_be_committed_if_it_is_a_real_one() -> None:
    """The stand-ins of the tests leave one without the checksums of a registry (`zh:`)."""
    assert ".terraform.lock.hcl" not in (ROOT / ".gitignore").read_text()
    assert [file for file in ENTRY.rglob(".terraform.lock.hcl") if '"zh:' not in file.read_text()] == []
    assert list(MODULE.rglob(".terraform.lock.hcl")) == []
