"""Terraform with mocked providers: a copy of the module, and the state that `terraform test` makes of it.

The state holds every resource, so a test can look at all of them, those included that somebody adds later.
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

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "terraform"
GOOGLE_VERSIONS = ("7.46.1", "8.7.0")
FUNCTIONS = ("trigger", "poller")

# What a copy of the repository does without: settings of tools, and what runs have left.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.tfstate*", "*.tfvars", "backend.tf")

# Name → text of each variable's block. `terraform fmt` holds the form that this relies on.
VARIABLES: dict[str, str] = {
    name: block
    for file in MODULE.glob("*.tf")
    for name, block in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', file.read_text(), re.M | re.S)
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


class State:
    """What one test run left."""

    def __init__(self, document: Mapping[str, Any], output: str) -> None:
        self.output = output
        self.outputs = {name: item["value"] for name, item in document.get("outputs", {}).items()}
        self.resources = [
            Resource(
                item["address"],
                item["type"],
                item["name"],
                item["values"],
                frozenset(item.get("depends_on", ())),
            )
            for item in document["root_module"]["resources"]
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


def copy_repository(target: Path, root: Path = ROOT) -> Path:
    """Copy the tree at `root` to `target`; return the copy of the module."""
    shutil.copytree(root, target, ignore=LEFT_OUT, dirs_exist_ok=True)
    return target / "terraform"


def pin_google(module: Path, version: str) -> None:
    """Narrow the module's constraint to one version of the provider."""
    google = f'google = {{ source = "hashicorp/google", version = "{version}" }}'
    text = f"terraform {{\n  required_providers {{\n    {google}\n  }}\n}}\n"
    (module / "pinned_override.tf").write_text(text)


def terraform(module: Path, *arguments: str) -> str:
    """Run terraform in `module`; what it printed, or TerraformError."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_VAR_", "TF_CLI_ARGS"))}
    done = subprocess.run(
        ["terraform", f"-chdir={module}", *arguments],
        env=environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise TerraformError(f"terraform {arguments[0]}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def initialize(module: Path, version: str) -> Path:
    """Make the copy ready for `validate` and `test` on one version of the google provider."""
    pin_google(module, version)
    terraform(module, "init", "-backend=false", "-input=false", "-no-color")
    return module


def run_test(module: Path, name: str) -> State:
    """The state after `terraform/tests/{name}.tftest.hcl`, which holds one run."""
    output = terraform(module, "test", "-json", "-verbose", f"-filter=tests/{name}.tftest.hcl")
    (document,) = [line["test_state"] for line in _lines(output) if line["type"] == "test_state"]
    return State(document, output)


def _lines(output: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in output.splitlines() if line.startswith("{"))
