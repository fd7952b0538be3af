"""The generated tables of the READMEs: `python -m tests.readme` writes them, a test compares them with the code."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.error_codes import EXPLANATIONS
from shared.problems import DOCUMENTATION, PROBLEMS
from shared.workflows import MODELS
from tests.terraform import root
from tests.vendor import consequences

ROOT = Path(__file__).parents[1]
READMES = {
    "": ROOT / "README.md",
    **{
        folder: ROOT / folder / "README.md"
        for folder in (
            *("functions/trigger", "functions/poller", "functions/simulator", "functions/cli"),
            *("shared", "terraform", "terraform/modules/images", "tests"),
        )
    },
}


def error_codes() -> str:
    """Why a job failed or is queued."""
    rows = [
        f"| `{code}` | {known.message} | {known.failed_hint} | {'yes' if known.retryable else 'no'} |"
        for code, known in EXPLANATIONS.items()
    ]
    return "\n".join(["| Code | What happened | What to do | Retryable |", "|---|---|---|---|", *rows])


def problems() -> str:
    """The problem types; each row has the anchor of its `type` URL."""
    fragment = DOCUMENTATION.split("#")[1]
    rows = [
        f'| <a id="{fragment}{code.replace("_", "-")}"></a>`{code}` | {known.status} | {known.title} |'
        for code, known in PROBLEMS.items()
    ]
    return "\n".join(["| `errorCode` | Status | Title |", "|---|---|---|", *rows])


def models() -> str:
    """The models, what they accept, and what replaces them."""
    rows = [
        f"| `{model.name}` | {', '.join(model.resolutions) or 'fixed; not sent'} | {len(model.aspect_ratios)} "
        f"| {f'up to {model.input_images}' if model.input_images else 'none'} "
        f"| {model.credits or 'no longer listed'} "
        f"| {model.status}{f', use `{model.successor}`' if model.successor else ''} |"
        for model in MODELS.values()
    ]
    head = "| Model | Resolutions | Ratios | Input images | Credits per image | Status |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


@dataclass(frozen=True)
class Table:
    """A generated table, between `<!-- name -->` and `<!-- /name -->` of the README of `folder`."""

    name: str
    folder: str
    render: Callable[[], str]

    @property
    def readme(self) -> Path:
        return READMES[self.folder]

    def written(self) -> str | None:
        """The table as the README has it; None if the README does not have it."""
        found = self._pattern().search(self.readme.read_text())
        return found["table"].strip() if found else None

    def write(self) -> None:
        """Replace the table; the README must have its comments."""
        fresh = f"<!-- {self.name} -->\n{self.render().strip()}\n<!-- /{self.name} -->"
        text, count = self._pattern().subn(lambda _: fresh, self.readme.read_text())
        if count != 1:
            raise ValueError(f"{self.readme} needs <!-- {self.name} --> once")
        self.readme.write_text(text)

    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"<!-- {self.name} -->\n(?P<table>.*?)<!-- /{self.name} -->", re.DOTALL)


TABLES = (
    Table("problems", "", problems),
    Table("error codes", "shared", error_codes),
    Table("models", "functions/trigger", models),
    Table("variables", "terraform/modules/images", root.variables_table),
    Table("outputs", "terraform/modules/images", root.outputs_table),
    Table("consequences", "functions/simulator", consequences.as_markdown),
)


if __name__ == "__main__":
    for table in TABLES:
        table.write()
