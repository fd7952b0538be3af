"""The variables of the module without its resources: Terraform checks their validations in a tenth of a second."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.terraform.mocked import MODULE, initialize

REFUSED = sorted((MODULE / "tests").glob("refused*.tftest.hcl"))


def copy_variables(folder: Path) -> Path:
    """Copy every file with variables to `folder`, and the check of whole numbers; return it initialized."""
    for file in MODULE.glob("*.tf"):
        if re.search('^variable "', file.read_text(), re.M):
            shutil.copy(file, folder)
    shutil.copy(MODULE / "whole_numbers.tf", folder)
    (check,) = re.findall(
        r"^  lifecycle \{\n    precondition \{\n.*?local\.invalid_numbers.*?^  \}\n",
        (MODULE / "project.tf").read_text(),
        re.M | re.S,
    )
    (folder / "check.tf").write_text(f'resource "terraform_data" "check" {{\n{check}}}\n')
    (folder / "tests").mkdir()
    for file in REFUSED:
        (folder / "tests" / file.name).write_text(without_providers(file.read_text()))
    return initialize(folder)


def without_providers(text: str) -> str:
    """The text of a test file without its mocked providers: variables need none."""
    return re.sub(r'^mock_provider "\w+" \{(?:\}|\n.*?^\})\n', "", text, flags=re.M | re.S)


def variables() -> str:
    """What each run is given unless it says otherwise."""
    return without_providers(REFUSED[0].read_text()).partition("\nrun ")[0]


def run(name: str, values: Iterable[tuple[str, str]], refused: str | None = None) -> str:
    """A run with values in Terraform's syntax, which one variable refuses or none."""
    lines = "".join(f"    {variable} = {value}\n" for variable, value in values)
    expected = f"  expect_failures = [var.{refused}]\n" if refused else ""
    return f'run "{name}" {{\n  command = plan\n  variables {{\n{lines}  }}\n{expected}}}\n'
