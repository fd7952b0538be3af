"""Terraform with mocked providers: a copy of the repository, and the state that `terraform test` makes of it.

The state holds every resource, so a test can look at all of them, those included that somebody adds later. Addresses
are those inside the module.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.terraform import root

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "terraform"  # what is applied
MODULE = ENTRY / "modules/images"  # its resources
WITHIN = "module.images."
GOOGLE_CONSTRAINT = 'version = ">= 7.46, < 9"'
GOOGLE_VERSIONS = ("7.46.1", "8.7.0")
FUNCTIONS = ("trigger", "poller")

# What a copy of the repository does without: settings of tools, and what runs have left.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.tfstate*", "terraform.tfvars", "*.auto.tfvars", "backend.tf")

# Name → text of each variable's block in the module.
VARIABLES = root.blocks("variable")
# Name → minimum and maximum of each variable that takes a whole number.
WHOLE_NUMBERS: dict[str, tuple[int, int | None]] = {
    name: (int(least), int(most) if most else None)
    for name, least, most in re.findall(
        r"^    (\w+) += \{ value = var\.\1, min = (?:max\()?(\d+)(?:, max = (\d+) \}|[^\n]*\})",
        (MODULE / "whole_numbers.tf").read_text(),
        re.M,
    )
}


class TerraformError(AssertionError):
    """Terraform refused; the message is what it said."""


@dataclass(frozen=True)
class Resource:
    """One resource or data source of the state; `values` has computed ones, too, at random."""

    address: str
    type: str
    name: str
    values: Mapping[str, Any]
    depends_on: frozenset[str]

    @property
    def service(self) -> Mapping[str, Any]:
        """The `service_config` of a function."""
        return self.values["service_config"][0]


@dataclass(frozen=True)
class Change:
    """One resource of a plan: its address, the one that it is moved from, and what is done: `("no-op",)`, say."""

    address: str
    previous: str | None
    actions: tuple[str, ...]

    @property
    def before(self) -> str:
        """The address before the plan."""
        return self.previous or self.address


class State:
    """What one test run left."""

    def __init__(self, document: Mapping[str, Any], output: str) -> None:
        self.output = output
        self.outputs = {name: item["value"] for name, item in document.get("outputs", {}).items()}
        self.resources = [
            Resource(
                item["address"].removeprefix(WITHIN),
                item["type"],
                item["name"],
                item["values"],
                frozenset(address.removeprefix(WITHIN) for address in item.get("depends_on", ())),
            )
            for module in (document["root_module"], *document["root_module"].get("child_modules", ()))
            for item in module.get("resources", ())
        ]

    def all(self, kind: str) -> list[Resource]:
        """Every resource of a type."""
        return [item for item in self.resources if item.type == kind]

    def one(self, address: str) -> Resource:
        """The resource at an address."""
        return next(item for item in self.resources if item.address == address)

    def function(self, name: str) -> Resource:
        """The function `trigger` or `poller`."""
        return self.one(f"google_cloudfunctions2_function.{name}")


def copy_repository(target: Path, source: Path = ROOT) -> Path:
    """Copy the tree at `source` to `target`; return the copy of the folder that is applied."""
    shutil.copytree(source, target, ignore=LEFT_OUT, dirs_exist_ok=True)
    return target / "terraform"


def empty_packages(copy: Path) -> None:
    """Empty the files that are packed: Terraform compares their contents again and again, four fifths of its time."""
    for folder in ("functions", "shared"):
        for file in (copy.parent / folder).rglob("*"):
            if file.is_file():
                file.write_bytes(b"")


def pin_google(folder: Path, version: str) -> None:
    """Narrow the constraint of every module below `folder` to one version of the provider."""
    for file in folder.rglob("terraform.tf"):
        file.write_text(file.read_text().replace(GOOGLE_CONSTRAINT, f'version = "{version}"'))


def terraform(module: Path, *arguments: str) -> str:
    """Run terraform in `module`; what it printed, or TerraformError."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_VAR_", "TF_CLI_ARGS"))}
    done = subprocess.run(
        ["terraform", f"-chdir={module}", *arguments],
        # GOGC: less of the processor's time for garbage, against memory that it has.
        env=environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "GOGC": "400"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise TerraformError(f"terraform {arguments[0]}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def initialize(module: Path) -> Path:
    """Make a copy ready for `validate` and `test`."""
    terraform(module, "init", "-backend=false", "-input=false", "-no-color")
    return module


def run_test(module: Path, name: str, *arguments: str) -> State:
    """The state after `tests/{name}.tftest.hcl` in `module`, which holds one run."""
    output = terraform(module, "test", "-json", "-verbose", f"-filter=tests/{name}.tftest.hcl", *arguments)
    (document,) = [line["test_state"] for line in _lines(output) if line["type"] == "test_state"]
    return State(document, output)


def plan_after(module: Path, name: str, first: str = "", second: str = "") -> list[Change]:
    """What a plan changes after an `apply` of the same variables: those of `terraform/tests/{name}.tftest.hcl`.

    `first` and `second` go into the blocks of the two runs: another module, or other variables.
    """
    variables = (module / f"tests/{name}.tftest.hcl").read_text().partition("\nrun ")[0]
    applied = f'run "apply" {{\n  state_key = "one"\n{first}}}\n'
    planned = f'run "plan" {{\n  state_key = "one"\n  command = plan\n{second}}}\n'
    (module / "tests/plan_after.tftest.hcl").write_text(f"{variables}\n{applied}{planned}")
    output = terraform(module, "test", "-json", "-verbose", "-filter=tests/plan_after.tftest.hcl")
    (plan,) = [line["test_plan"] for line in _lines(output) if line["type"] == "test_plan"]
    return [
        Change(item["address"], item.get("previous_address"), tuple(item["change"]["actions"]))
        for item in plan["resource_changes"]
    ]


def _lines(output: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in output.splitlines() if line.startswith("{"))
