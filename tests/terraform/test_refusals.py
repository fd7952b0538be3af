"""Bad input is refused before anything is made, by the name of the variable that is wrong."""

import re
from pathlib import Path

import pytest

from tests.terraform.mocked import MODULE, VARIABLES, WHOLE_NUMBERS, TerraformError, initialize, terraform

REFUSED = MODULE / "tests/refused.tftest.hcl"
# What other variables must be for a number to be looked at.
CONTEXT = {
    "max_queue_hours": "1",
    "run_deadline_seconds": "1",
    "billing_account": '"012345-6789AB-CDEF01"',
    "ingress": '"internal"',
    "public_url": '"https://images.example.com"',
}


@pytest.fixture(scope="session")
def images_module(root_module: Path) -> Path:
    """The module, initialized alone."""
    return initialize(root_module / "modules/images")


def test_what_a_variable_may_not_be_is_refused(images_module: Path) -> None:
    terraform(images_module, "test", "-no-color", "-filter=tests/refused.tftest.hcl")


def test_every_validation_has_been_seen_to_refuse() -> None:
    validated = {name for name, block in VARIABLES.items() if "  validation {" in block}
    assert set(re.findall(r"\bvar\.(\w+)", REFUSED.read_text())) == validated


def refusals(module: Path, numbers: dict[str, float]) -> set[str]:
    """The numbers that a plan with them complains about."""
    head = REFUSED.read_text().partition("\nrun ")[0]
    values = "".join(f"    {name} = {value}\n" for name, value in (CONTEXT | numbers).items())
    run = f'run "numbers" {{\n  command = plan\n  variables {{\n{values}  }}\n}}\n'
    (module / "tests/numbers.tftest.hcl").write_text(f"{head}\n{run}")
    with pytest.raises(TerraformError) as refused:
        terraform(module, "test", "-no-color", "-filter=tests/numbers.tftest.hcl")
    return set(re.findall(r"(\S+) must be a whole number", str(refused.value)))


def test_every_whole_number_is_refused_below_its_minimum(images_module: Path) -> None:
    numbers = {name: least - 1 for name, (least, _) in WHOLE_NUMBERS.items()}
    del numbers["retention_days"]  # has to cover max_queue_hours: refused by its validation
    assert refusals(images_module, numbers) == set(numbers)


def test_every_whole_number_is_refused_above_its_maximum_or_with_a_fraction(images_module: Path) -> None:
    numbers = {name: most + 1 if most else least + 0.5 for name, (least, most) in WHOLE_NUMBERS.items()}
    extra = {"secret_versions": "{ api_key = 1.5 }"}
    assert refusals(images_module, numbers | extra) == set(numbers) | {"secret_versions.api_key"}
