"""`--version` names what a report of a problem needs."""

import json
import platform

from functions.cli.version import OPENAPI
from tests.cli.command import Command


def test_the_version_is_that_of_the_contract_and_of_python(command: Command):
    result = command.run("--version")
    contract = json.loads(OPENAPI.read_text())["info"]["version"]
    assert (result.code, result.out) == (0, f"Wireflow images {contract} (Python {platform.python_version()})\n")
