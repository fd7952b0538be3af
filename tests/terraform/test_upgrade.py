"""A second plan changes nothing; an upgrade from when the resources were in terraform/ itself destroys nothing."""

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform.mocked import ENTRY, WITHIN, copy_repository, initialize, plan_after

# The resources of that time, and what the module no longer has of them.
BEFORE = Path(__file__).parent / "before"
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


def test_every_resource_of_that_time_is_moved() -> None:
    moves = re.findall(r"^moved \{\n  from = (\S+)\n  to   = (\S+)\n\}", (ENTRY / "moved.tf").read_text(), re.M)
    assert [start for start, _ in moves] == ADDRESSES
    assert all(end == f"{WITHIN}{start}" for start, end in moves)


@pytest.mark.parametrize("name", ["largest", "pubsub"])
def test_an_upgrade_destroys_nothing(upgraded: Path, name: str) -> None:
    changes = [item for item in plan_after(upgraded, name, AS_BEFORE) if without_index(item.address) in ADDRESSES]
    assert len(changes) > 100
    assert [item.address for item in changes if item.previous != item.address.removeprefix(WITHIN)] == []
    assert [item.address for item in changes if "delete" in item.actions] == []


@pytest.mark.parametrize("name", ["smallest", "largest"])
def test_a_second_plan_changes_nothing(upgraded: Path, name: str) -> None:
    changes = plan_after(upgraded, name)
    assert len(changes) > 70
    assert [item for item in changes if item.actions not in {("no-op",), ("read",)}] == []
