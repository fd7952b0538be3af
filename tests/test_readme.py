"""The READMEs are true: generated tables are current, and every file, heading, and path that they name exists."""

import re
from pathlib import Path

import pytest

from shared.log import Event
from tests.readme import READMES, ROOT, TABLES, Table

FRONT_PAGE_LINES = 250
EXAMPLES = sorted((ROOT / "terraform/examples").glob("*/README.md"))
DOCUMENTS = [*READMES.values(), ROOT / "terraform/RESTORE.md", *EXAMPLES]
# Paths in backticks, from the root: the layout that the front page shows.
_PATH = re.compile(r"`((?:functions|shared|terraform|tests)/[\w./-]+)`")
_FOLDER, _FILE = re.compile(r"`([\w/]+)/`|\*\*\[([\w/]+)\]"), re.compile(r"`(\w+\.(?:py|tf|json))`")
_LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#\s]*)(?:#(?P<heading>[^)\s]*))?\)")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_generated_table_is_current(table: Table) -> None:
    assert table.written() == table.render().strip(), "run python -m tests.readme"


def test_the_front_page_is_short() -> None:
    assert len(READMES[""].read_text().splitlines()) <= FRONT_PAGE_LINES


def test_every_log_event_is_documented() -> None:
    text = READMES["shared"].read_text()
    assert [event for event in Event if f"`{event}`" not in text] == []


@pytest.mark.parametrize("readme", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(readme: Path) -> None:
    for link in _LINK.finditer(readme.read_text()):
        target = (readme.parent / link["file"]).resolve() if link["file"] else readme
        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in headings(target.read_text()), link[0]


@pytest.mark.parametrize("readme", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_exists(readme: Path) -> None:
    named = _PATH.findall(readme.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_file_of_the_layout_exists() -> None:
    layout = READMES[""].read_text().partition("## Where things are")[2]
    missing = []
    for part in re.split(r"\n\n|\n(?=\|)", layout):
        if folder := _FOLDER.search(part):
            paths = [ROOT / (folder[1] or folder[2]) / name for name in _FILE.findall(part)]
            missing += [path for path in paths if not path.exists()]
    assert layout
    assert missing == []


def headings(text: str) -> set[str]:
    """The anchors of a page: GitHub's for its headings, and its own."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def test_examples_of_the_readmes_can_be_pasted_one_after_the_other():
    keys = [key for path in READMES.values() for key in re.findall(r"Idempotency-Key: ([\w-]+)'", path.read_text())]
    assert len(keys) == len(set(keys)), "the same key with another body is rejected"
