"""The screenshots of `batch`: `python -m tests.cli.screenshots` takes them again, in light and dark.

The bar moves in a terminal; here it is printed once, at its end.
"""

import asyncio
import io
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME, TerminalTheme

from functions.cli.batch import BatchOptions, batch
from functions.cli.batch_output import BatchOutput
from functions.cli.errors import JobFailed
from functions.cli.place import Place
from tests.recipes.browser import browser, screenshot

FOLDER = Path(__file__).parents[2] / "functions/cli"
PROMPTS = (
    "A red fox in the snow, watercolor",
    "A lighthouse on a cliff at dusk",
    "A bowl of ramen from above, studio light",
    "A paper crane on a wooden desk",
    "A crowded street [fault:moderation]",
    "An aerial view of a river delta",
)
THEMES: dict[str, TerminalTheme] = {"light": DEFAULT_TERMINAL_THEME, "dark": SVG_EXPORT_THEME}
# Of the page around the terminal, as on GitHub, and of the frame that sets the two apart.
PAGES = {"light": "#ffffff", "dark": "#0d1117"}
FRAMES = {"light": "#8c959f", "dark": "#6e7681"}
COLUMNS, WIDTH = 96, 860  # characters, pixels
COLORS = 128
RICH_FRAME = "rgba(255,255,255,0.35)"  # invisible on a white page


class _Still(BatchOutput):
    """The output without what moves."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar.disable = True

    def say(self, text: str) -> None:
        if not text.endswith("rows are done"):
            super().say(text)

    def table(self, rows: list[dict[str, str]]) -> None:  # type: ignore[override]
        self._bar.update(self._task, visible=True)
        self._console.print(self._bar.get_renderable())
        super().table(rows)


def main() -> None:
    """Run `batch` with the simulator, and write one file for each theme beside its README."""
    console = Console(
        record=True, width=COLUMNS, force_terminal=True, highlight=False, markup=False, file=io.StringIO()
    )
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("prompts.csv").write_text("prompt\n" + "\n".join(f'"{prompt}"' for prompt in PROMPTS))
        place = Place.of(None, None, live=False)
        options = BatchOptions(file=Path("prompts.csv"), out=Path("images"), place=place, workflow=None, yes=False)
        with suppress(JobFailed):
            asyncio.run(batch(options, {}, _Still(console)))
        for scheme, theme in THEMES.items():
            svg = console.export_svg(title="python -m functions batch prompts.csv", theme=theme, clear=False)
            framed = svg.replace(RICH_FRAME, FRAMES[scheme])
            (FOLDER / f"batch-{scheme}.png").write_bytes(_png(framed, PAGES[scheme], Path(name)))


def _png(svg: str, background: str, folder: Path) -> bytes:
    """Draw the SVG without the fonts that it would fetch; few colors make a small file."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    page = folder / "page.html"
    style = f"body{{margin:0;background:{background}}}svg{{width:{WIDTH}px;display:block}}"
    page.write_text(f"<!doctype html><style>{style}</style>{svg}")
    with browser(folder / "profile", javascript=True) as chrome:
        chrome.get(page.as_uri())
        height = chrome.execute_script("return document.querySelector('svg').getBoundingClientRect().height")
        return screenshot(chrome, WIDTH, height, colors=COLORS)


if __name__ == "__main__":
    main()
