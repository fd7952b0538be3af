"""The parts of the README that follow from the code. `python -m tests.readme` writes them; a test holds them equal."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

from shared.error_codes import EXPLANATIONS
from shared.problems import DOCUMENTATION, PROBLEMS
from tests.vendor import consequences

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def error_codes() -> str:
    """What went wrong with a job."""
    rows = [f"| `{code}` | {known.message} | {known.hint} |" for code, known in EXPLANATIONS.items()]
    return "\n".join(["| Code | What happened | What to do |", "|---|---|---|", *rows])


def problems() -> str:
    """The problem types; each row is where its `type` leads to."""
    fragment = DOCUMENTATION.split("#")[1]
    rows = [
        f'| <a id="{fragment}{code.replace("_", "-")}"></a>`{code}` | {known.status} | {known.title} |'
        for code, known in PROBLEMS.items()
    ]
    return "\n".join(["| errorCode | Status | Title |", "|---|---|---|", *rows])


def layout() -> str:
    """One line a file: the promise that the file's docstring makes."""
    files = [path for part in ("functions", "shared") for path in sorted((ROOT / part).rglob("*.py"))]
    rows = [f"| `{path.relative_to(ROOT)}` | {promise(path)} |" for path in files if path.name != "__init__.py"]
    return "\n".join(["| File | |", "|---|---|", *rows])


def promise(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


PARTS: dict[str, Callable[[], str]] = {
    "error_codes": error_codes,
    "consequences": consequences.as_markdown,
    "problems": problems,
    "layout": layout,
}


def part(name: str, text: str) -> str:
    """What the README holds between the two comments of a part."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    return found.group(1).strip() if found else ""


def written(text: str) -> str:
    """The README with all parts renewed."""
    for name, render in PARTS.items():
        fresh = f"<!-- {name} -->\n{render().strip()}\n<!-- /{name} -->"
        text = re.sub(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: fresh, text, flags=re.DOTALL)  # noqa: B023 - used at once
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
