"""Bad input is refused before anything is made, by the variable that is wrong."""

import re
from pathlib import Path

from tests.terraform.mocked import MODULE, VARIABLES, initialize, terraform

REFUSED = MODULE / "tests/refused.tftest.hcl"


def test_what_a_variable_may_not_be_is_refused(root_module: Path) -> None:
    module = initialize(root_module / "modules/images")
    terraform(module, "test", "-no-color", "-filter=tests/refused.tftest.hcl")


def test_every_validation_has_been_seen_to_refuse() -> None:
    validated = {name for name, block in VARIABLES.items() if "  validation {" in block}
    assert set(re.findall(r"\bvar\.(\w+)", REFUSED.read_text())) == validated
