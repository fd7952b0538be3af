"""`--version`: what a report of a problem should name."""

import json
import platform
from pathlib import Path

OPENAPI = Path(__file__).parents[1] / "trigger" / "openapi" / "openapi.json"


def version() -> str:
    """Return the version of the HTTP contract, which is the only one that this project numbers, and of Python."""
    contract = json.loads(OPENAPI.read_text())["info"]
    return f"{contract['title']} {contract['version']} (Python {platform.python_version()})"
