"""The commands and code of the READMEs, extracted: a test runs exactly what is written there."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES, DEPLOYMENT = ROOT / "functions/trigger/README.md", ROOT / "terraform/README.md"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


def blocks(heading: str, language: str, readme: Path = RECIPES) -> list[str]:
    """The code blocks of this language in the section with this heading, in order."""
    found = _FENCE.finditer(_section(heading, readme))
    return [textwrap.dedent(block["code"]) for block in found if block["language"] == language]


def settings(heading: str) -> dict[str, str]:
    """The form fields to fill in, **name** `value`, in the section with this heading."""
    return dict(re.findall(r"\*\*([^*]+)\*\*\s+`([^`]+)`", _section(heading, RECIPES)))


def filled_in(code: str, trigger: str, token: str = "TOKEN", **values: str) -> str:
    """The code with real values for TRIGGER, TOKEN, and the names in double braces."""
    for name, value in values.items():
        code = code.replace(f"{{{{{name}}}}}", value)
    assert "{{" not in code, code
    code = code.replace("https://TRIGGER", trigger)
    return re.sub(r"\bTOKEN\b", lambda _: token, code)


def _section(heading: str, readme: Path) -> str:
    """The text under a heading of level 2 or 3, up to the next such heading."""
    pattern = rf"^###? {re.escape(heading)}\n(.*?)(?=^###? |\Z)"
    found = re.search(pattern, readme.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{readme} has no section {heading!r}"
    return found[1]
