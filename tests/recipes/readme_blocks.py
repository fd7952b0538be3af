"""The README's commands and code, taken out of it: a test runs what stands there, and nothing else."""

import re
import textwrap
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks of this language under "### heading", in their submission."""
    found = _FENCE.finditer(_under(heading))
    return [textwrap.dedent(block["code"]) for block in found if block["language"] == language]


def settings(heading: str) -> dict[str, str]:
    """What is to be typed where: **name** `value`."""
    return dict(re.findall(r"\*\*([^*]+)\*\*\s+`([^`]+)`", _under(heading)))


def filled_in(code: str, trigger: str, token: str = "TOKEN", **values: str) -> str:
    """The code with the reader's own values in the place of TRIGGER, TOKEN and what stands in double braces."""
    for name, value in values.items():
        code = code.replace(f"{{{{{name}}}}}", value)
    assert "{{" not in code, code
    code = code.replace("https://TRIGGER", trigger)
    return re.sub(r"\bTOKEN\b", lambda _: token, code)


def _under(heading: str) -> str:
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^###? |\Z)", README.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"the README has no {heading!r}"
    return found[1]
