"""The file of `batch`: which sheet of a workbook is sent, what its cells become, and what cannot be sent."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest
from openpyxl.chart import BarChart

from functions.cli import batch_file
from functions.cli.batch_file import read_file
from functions.cli.errors import SetupError
from functions.trigger.parsing.table import read_table

SHEET = "xl/worksheets/sheet1.xml"
TYPES = "[Content_Types].xml"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(path: Path, *rows: tuple[Any, ...], change: Callable[[Any], None] = lambda _book: None) -> Path:
    """Write a workbook whose first sheet has these rows. `change` is called with it."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    change(book)
    book.save(path)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def rewritten(path: Path, pattern: str, replacement: str) -> Path:
    """Change the XML of the first sheet, as another program would have written it."""
    parts = parts_of(path)
    changed = re.sub(pattern.encode(), replacement.encode(), parts[SHEET])
    assert changed != parts[SHEET]
    with ZipFile(path, "w") as target:
        for name, content in (parts | {SHEET: changed}).items():
            target.writestr(name, content)
    return path


def lines(path: Path) -> list[str]:
    return read_file(path).content.decode().split("\r\n")


def test_cells_are_sent_about_as_they_are_shown(tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 2)
    moment = datetime.datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - a workbook has no time zones
    path = workbook(tmp_path / "p.xlsx", ("prompt",), ("a, cat", 7, 7.0, 0.5, True, day, moment, None, "x"), (), ("b",))
    assert lines(path) == ["prompt", '"a, cat",7,7,0.5,true,2026-01-02,2026-01-02T03:04:00,,x', "", "b"]


def test_the_first_visible_sheet_is_sent_and_named(tmp_path: Path) -> None:
    def change(book: Any) -> None:
        book.active.sheet_state = "hidden"
        book.create_chartsheet(index=0).add_chart(BarChart())
        book.create_sheet("Prompts").append(("prompt",))

    file = read_file(workbook(tmp_path / "p.xlsx", ("a list",), change=change))
    assert (file.content, file.name) == (b"prompt", f"{tmp_path / 'p.xlsx'}, sheet Prompts")


def test_a_workbook_is_known_by_its_content(tmp_path: Path) -> None:
    assert lines(workbook(tmp_path / "p.xlsm", ("prompt",), ("a cat",))) == ["prompt", "a cat"]


def test_a_cell_far_away_and_a_wrong_size_of_the_sheet_do_not_matter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", ("prompt", "n"), ("a cat", 1), change=lambda book: _set(book, "XFD1048576"))
    assert lines(path) == ["prompt,n", "a cat,1"]
    other = rewritten(workbook(tmp_path / "o.xlsx", ("prompt", "n"), ("a cat", 1)), 'ref="A1:B2"', 'ref="A1"')
    assert lines(other) == ["prompt,n", "a cat,1"]


def _set(book: Any, cell: str) -> None:
    book.active[cell] = "x"


def test_formulas_are_sent_as_their_results_which_must_be_there(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", ("prompt", "n"), ("=A1", "=A1"))
    with pytest.raises(SetupError, match="A2 has a formula without a result"):
        read_file(path)
    rewritten(path, r'<c r="A2"><f>A1</f><v ?/></c>', r'<c r="A2" t="str"><f>A1</f><v>a cat</v></c>')
    rewritten(path, r'<c r="B2"><f>A1</f><v ?/></c>', r'<c r="B2" t="str"><f>A1</f><v></v></c>')
    assert lines(path) == ["prompt,n", "a cat"]


def test_a_row_below_blank_ones_keeps_its_number(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", (), (), ("prompt", "n"), ("a cat", 1))
    assert read_table(read_file(path).content, "text/csv").rows == ((4, ("a cat", "1")),)


def only_charts(book: Any) -> None:
    book.create_chartsheet().add_chart(BarChart())
    book.remove(book.active)


def test_a_workbook_without_a_sheet_of_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no visible sheet"):
        read_file(workbook(tmp_path / "p.xlsx", change=only_charts))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.xlsx", b"prompt\na cat\n", "not a workbook"),
        ("p.xlsx", b"", "not a workbook"),
        ("p.xlsx", b"PK\x03\x04 cut off", "not a workbook"),
        ("p.numbers", b"PK\x03\x04 cut off", "not a workbook"),
        ("p.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "has a password"),
        ("p.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel 97"),
        ("p.csv", b"x" * (4 * 1024 * 1024 + 1), "more than 4 MiB"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SetupError, match=words):
        read_file(tmp_path / name)


def test_a_sheet_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = rewritten(workbook(tmp_path / "p.xlsx", ("prompt",), ("a cat",)), "</sheetData>.*", "")
    with pytest.raises(SetupError, match="not a workbook"):
        read_file(path)


def test_a_workbook_is_not_unpacked_without_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "p.xlsx", ("prompt",), *[("x" * 1000,)] * 5000)
    with pytest.raises(SetupError, match="more than 4 MiB"):
        read_file(path)
    monkeypatch.setattr(batch_file, "UNPACKED_LIMIT", 1000)
    with ZipFile(path, "a", ZIP_DEFLATED) as archive:
        archive.writestr("xl/other.xml", "x" * 2000)
    with pytest.raises(SetupError, match="too large when it is unpacked"):
        read_file(path)


def test_each_part_counts_as_unpacked_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "p.xlsx", ("prompt",), ("a cat",))
    rewritten(path, r'<c r="A2".*?</c>', '<c r="A2" t="s"><v>0</v></c>')
    parts = parts_of(path)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = parts[TYPES].decode().replace("</Types>", f'<Override PartName="/xl/ss.bin" ContentType="{kind}"/></Types>')
    strings = f'<sst xmlns="{NAMESPACE}"><si><t>{"x" * 30_000}</t></si></sst>'
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in {**parts, TYPES: types, "xl/ss.bin": strings}.items():
            archive.writestr(name, content)
    assert lines(path) == ["prompt", "x" * 30_000]
    monkeypatch.setattr(batch_file, "UNPACKED_LIMIT", 25_000)
    with pytest.raises(SetupError, match="too large when it is unpacked"):
        read_file(path)


def test_images_in_a_workbook_do_not_count_as_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_file, "UNPACKED_LIMIT", 25_000)
    path = workbook(tmp_path / "p.xlsx", ("prompt",), ("a cat",))
    with ZipFile(path, "a", ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.jpeg", Random(1).randbytes(100_000))
    assert lines(path) == ["prompt", "a cat"]
