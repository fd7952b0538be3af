"""Bad input is refused before anything is made, by the name of the variable that is wrong."""

import re
from pathlib import Path

import pytest

from tests.terraform.mocked import VARIABLES, WHOLE_NUMBERS, TerraformError, terraform
from tests.terraform.variables_alone import REFUSED, run, variables

# What other variables must be for a number to be looked at.
CONTEXT = {
    "max_queue_hours": "1",
    "run_deadline_seconds": "1",
    "billing_account": '"012345-6789AB-CDEF01"',
    "ingress": '"internal"',
    "public_url": '"https://images.example.com"',
}


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name)
def test_what_a_variable_may_not_be_is_refused(variables_alone: Path, file: Path) -> None:
    terraform(variables_alone, "test", "-no-color", f"-filter=tests/{file.name}")


def test_every_validation_has_been_seen_to_refuse() -> None:
    validated = {name for name, block in VARIABLES.items() if "  validation {" in block}
    assert {name for file in REFUSED for name in re.findall(r"\bvar\.(\w+)", file.read_text())} == validated


def refusals(module: Path, numbers: dict[str, str | float]) -> set[str]:
    """The numbers that a plan with them complains about."""
    values = CONTEXT | {name: str(value) for name, value in numbers.items()}
    (module / "tests/numbers.tftest.hcl").write_text(f"{variables()}\n{run('numbers', values.items())}")
    with pytest.raises(TerraformError) as refused:
        terraform(module, "test", "-no-color", "-filter=tests/numbers.tftest.hcl")
    return set(re.findall(r"(\S+) must be a whole number", str(refused.value)))


def test_every_whole_number_is_refused_below_its_minimum(variables_alone: Path) -> None:
    numbers = {name: least - 1 for name, (least, _) in WHOLE_NUMBERS.items()}
    del numbers["retention_days"]  # has to cover max_queue_hours: refused by its validation
    assert refusals(variables_alone, numbers) == set(numbers)


def test_every_whole_number_is_refused_above_its_maximum_or_with_a_fraction(variables_alone: Path) -> None:
    numbers = {name: most + 1 if most else least + 0.5 for name, (least, most) in WHOLE_NUMBERS.items()}
    extra = {"secret_versions": "{ api_key = 1.5 }"}
    assert refusals(variables_alone, numbers | extra) == set(numbers) | {"secret_versions.api_key"}
