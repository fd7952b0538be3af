"""What `batch` prints."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from functions.cli.batch_output import BatchOutput, quote_text, write_results

COUNTS = {"total": 40, "queued": 0, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0}
ROW = {
    "row": "2",
    "status": "succeeded",
    "prompt": "a cat",
    "errorCode": "",
    "errorMessage": "",
    "jobId": "26bee1",
    "file": "0002-a-cat.png",
}


def batch(**counts: int) -> dict[str, Any]:
    return {"counts": COUNTS | counts, "estimatedEndAt": None, "cost": {"amount": 0.4}}


def output(*, terminal: bool) -> tuple[BatchOutput, io.StringIO]:
    file = io.StringIO()
    return BatchOutput(Console(file=file, force_terminal=terminal, width=120, markup=False, highlight=False)), file


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ({"count": 1, "estimatedCost": {"amount": 0.2}}, "1 image for about $0.20"),
        ({"count": 1_000, "estimatedCost": {"amount": 200.0}}, "1,000 images for about $200.00"),
        ({"count": 2, "estimatedCost": None}, "2 images at a price that is not known"),
    ],
)
def test_a_quote_is_a_sentence(quote: dict[str, Any], text: str) -> None:
    assert quote_text({**quote, "estimatedEndAt": None}) == text
    assert quote_text({**quote, "estimatedEndAt": "2026-03-01T12:00:00.000Z"}).startswith(f"{text}, done about ")


def test_a_terminal_has_one_bar_for_all_rows() -> None:
    shown, file = output(terminal=True)
    with shown:
        shown.progress(batch(running=2, succeeded=9, failed=1))
    assert "10/40" in file.getvalue()
    assert "2 running, 1 failed" in file.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_tenth() -> None:
    shown, file = output(terminal=False)
    with shown:
        for done in range(41):
            shown.progress(batch(succeeded=done))
    assert file.getvalue().splitlines() == [f"{done} of 40 rows are done" for done in range(4, 41, 4)]


def test_the_table_of_a_large_batch_has_only_what_did_not_succeed() -> None:
    failed = ROW | {"row": "9", "status": "failed", "errorCode": "moderation", "prompt": "a [bold]dog", "file": ""}
    shown, file = output(terminal=False)
    shown.table([*[ROW] * 30, failed])
    assert "a cat" not in file.getvalue()
    assert ["9", "a", "[bold]dog", "failed", "moderation"] in [line.split() for line in file.getvalue().splitlines()]
    shown.table([ROW, failed])
    assert "0002-a-cat.png" in file.getvalue()


def test_texts_of_others_stay_on_their_line_and_do_not_reach_the_terminal() -> None:
    shown, file = output(terminal=False)
    shown.table([ROW | {"prompt": "two\nlines\x1b[2J"}])
    shown.failure(ROW | {"status": "failed", "errorCode": "moderation", "errorMessage": "no\x1b[2J\nway"})
    assert "\x1b" not in file.getvalue()
    assert "two lines [2J" in file.getvalue()
    assert file.getvalue().splitlines()[-1] == "row 2  moderation  no [2J way"


@pytest.mark.parametrize(
    ("counts", "simulated", "words"),
    [
        (
            {"succeeded": 37, "failed": 2, "canceled": 1},
            True,
            "37 of 40 rows succeeded, 2 failed, 1 canceled. Cost: $0.40 (simulated).\nThe images are in the folder {}.",
        ),
        ({"total": 1, "succeeded": 1}, False, "1 of 1 row succeeded. Cost: $0.40.\nThe images are in the folder {}."),
        ({"total": 2, "failed": 2, "cost": None}, False, "0 of 2 rows succeeded, 2 failed."),
    ],
)
def test_the_figures_are_those_of_the_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: dict[str, Any], simulated: bool, words: str
) -> None:
    shown, file = output(terminal=False)
    cost = {"amount": 0.4} if counts.pop("cost", True) else None
    shown.summary({**batch(**counts), "cost": cost}, tmp_path, simulated=simulated)
    assert file.getvalue() == words.format(tmp_path) + "\n"
    assert capsys.readouterr().out == f"{tmp_path}/results.csv\n"


def test_results_are_written_as_a_whole(tmp_path: Path) -> None:
    write_results([ROW], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
    text = (tmp_path / "results.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert [*csv.DictReader(io.StringIO(text.decode("utf-8-sig")))] == [ROW]


def test_results_of_another_batch_are_kept(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    results.write_text("notes of my own")
    write_results([ROW], tmp_path)
    write_results([ROW | {"file": ""}], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results-1.csv", "results.csv"]
    write_results([ROW | {"jobId": "ff2d41"}], tmp_path)
    assert (tmp_path / "results-1.csv").read_text() == "notes of my own"
    assert "26bee1" in (tmp_path / "results-2.csv").read_text()
    assert "ff2d41" in results.read_text()
