"""A second plan changes nothing; an upgrade from when the resources were in terraform/ itself destroys nothing."""

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform.mocked import ENTRY, WITHIN, TerraformError, copy_repository, initialize, plan_after

# The resources of that time, and what the module no longer has of them.
BEFORE = Path(__file__).parent / "before"
FIELDS = 35
MOVES = (ENTRY / "moved.tf").read_text()
ADDRESSES = (BEFORE / "addresses.txt").read_text().split()
AS_BEFORE = '  module {\n    source = "./modules/before"\n  }\n'


def without_index(address: str) -> str:
    """`type.name` of an address inside the module."""
    return address.removeprefix(WITHIN).partition("[")[0]


@pytest.fixture(scope="session")
def upgraded(root_module: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a second module, which is applied as what terraform/ was before."""
    copy = copy_repository(tmp_path_factory.mktemp("upgraded"), root_module.parent)
    shutil.copytree(copy / "modules/images", copy / "modules/before")
    for file in BEFORE.glob("*.tf"):
        shutil.copy(file, copy / "modules/before")
    # Their `init` runs before any plan_after: Terraform finds the modules of tests then.
    (copy / "tests/plan_after.tftest.hcl").write_text(f'run "apply" {{\n{AS_BEFORE}}}\n')
    return initialize(copy)


def test_every_resource_of_that_time_is_moved_or_forgotten() -> None:
    moved = re.findall(r"^moved \{\n  from = (\S+)\n  to   = module\.images\.\S+\n\}", MOVES, re.M)
    forgotten = re.findall(r"^removed \{\n  from = (\S+)\n\n  lifecycle \{\n    destroy = false\n", MOVES, re.M)
    assert sorted(moved + forgotten) == ADDRESSES
    assert forgotten == ["google_firestore_field.unqueried"]


def test_an_upgrade_destroys_nothing_that_there_was(upgraded: Path) -> None:
    found = set()
    for name in ("largest", "pubsub"):
        there = [item for item in plan_after(upgraded, name, AS_BEFORE) if without_index(item.before) in ADDRESSES]
        found |= {without_index(item.before) for item in there}
        assert [item.before for item in there if "delete" in item.actions] == []
        fields = [item for item in there if without_index(item.before) == "google_firestore_field.unqueried"]
        assert [item.actions for item in fields] == [("forget",)] * FIELDS
    assert found == set(ADDRESSES)


@pytest.mark.parametrize("name", ["smallest", "largest", "existing_resources"])
def test_a_second_plan_changes_nothing(upgraded: Path, name: str) -> None:
    changes = plan_after(upgraded, name)
    assert len(changes) > 70
    assert [item for item in changes if item.actions not in {("no-op",), ("read",)}] == []


def test_the_functions_wait_again_for_a_grant_that_is_added_later(upgraded: Path) -> None:
    tokens = 'secrets = ["trigger_tokens"]\n    trigger_tokens = "{\\"zap\\": \\"' + "0" * 64 + '\\"}"'
    changes = plan_after(upgraded, "smallest", second=f"  variables {{\n    {tokens}\n  }}\n")
    (wait,) = [item for item in changes if item.address == f"{WITHIN}time_sleep.grants"]
    assert wait.actions != ("no-op",)


def test_another_key_for_an_existing_database_is_refused(upgraded: Path) -> None:
    key = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/another"
    with pytest.raises(TerraformError, match="key of an existing database cannot be changed"):
        plan_after(upgraded, "existing_resources", second=f'  variables {{\n    kms_key = "{key}"\n  }}\n')
