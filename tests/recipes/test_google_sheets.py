"""The recipe for Google Sheets, as it is written, with stand-ins for what Google offers to scripts."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.deployment import SECONDS, TOKEN, Deployment
from tests.recipes.readme_blocks import blocks, filled_in

STAND_INS = Path(__file__).with_name("apps_script.js")
HEADER = ["Prompt", "SKU", "batch", "status", "image"]


def run(deployment: Deployment, rows: list[list[str]], *functions: str, token: str = TOKEN) -> dict[str, Any]:
    """Run functions of the script on a sheet; return its rows and what was shown."""
    if not shutil.which("node"):
        pytest.skip("the script needs Node.js")
    (script,) = blocks("Google Sheets", "javascript")
    script = filled_in(script, deployment.trigger, token)
    done = subprocess.run(
        ["node", STAND_INS, script, json.dumps(rows), *functions], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def with_images(deployment: Deployment, rows: list[list[str]]) -> list[list[str]]:
    deadline = time.monotonic() + SECONDS
    while not all(row[3].startswith(("succeeded", "failed")) for row in rows[1:] if row[2]):
        assert time.monotonic() < deadline, rows
        time.sleep(0.5)
        rows = run(deployment, rows, "getResults")["rows"]
    return rows


def test_rows_are_sent_once_and_their_images_are_pulled(deployment: Deployment) -> None:
    rows = [
        HEADER,
        ['Sheets: a "red" fox, asleep\nin the snow', "s-1", "", "", ""],
        ["Sheets: the same", "s-2", "", "", ""],
        ["Sheets: the same", "s-3", "", "", ""],
        ["=sheets", "s-4", "", "", ""],
        ["", "a note", "", "", ""],
        ["Sheets: a cat [fault:moderation]", "s-5", "", "", ""],
        ["Sheets: a poster\n- a fox\n- snow", "s-6", "", "", ""],
        ["Sheets: outside; -5 degrees", "s-7", "", "", ""],
    ]
    sent = run(deployment, rows, "onOpen", "sendRows", "sendRows")
    assert sent["shown"] == ["7 rows were sent.", "There are no new rows."]
    rows = with_images(deployment, sent["rows"])
    for row, sku in ((1, "s-1"), (2, "s-2"), (3, "s-3"), (4, "s-4"), (7, "s-6"), (8, "s-7")):
        (job,) = [job for job in deployment.jobs_of(rows[row][0]) if job["metadata"] == {"SKU": sku}]
        assert rows[row][3:] == ["succeeded", f'=IMAGE("{job["imageUrl"]}")']
        assert job["batchId"] == rows[row][2]
    assert rows[5] == ["", "a note", "", "", ""]
    assert rows[6][3].startswith("failed: The provider's safety system")
    assert len(deployment.runs_of("Sheets: the same")) == 2


def test_rows_that_are_added_later_are_sent_alone(deployment: Deployment) -> None:
    rows = run(deployment, [HEADER, ["Sheets: first", "", "", "", ""]], "sendRows")["rows"]
    rows = run(deployment, [HEADER, ["Sheets: second", "", "", "", ""], rows[1]], "sendRows")["rows"]
    assert rows[1][2] != rows[2][2]
    rows = with_images(deployment, rows)
    assert [len(deployment.runs_of(f"Sheets: {name}")) for name in ("first", "second")] == [1, 1]


def test_rows_of_a_run_that_was_interrupted_are_sent_again_alone_and_paid_once(deployment: Deployment) -> None:
    rows = run(deployment, [HEADER, ["Sheets: lost", "", "", "", ""]], "!sendRows")["rows"]
    assert rows[1][2].startswith("sending-")
    added = [*rows, ["Sheets: added", "", "", "", ""]]
    sent = run(deployment, added, "getResults", "sendRows", "sendRows", "sendRows")
    assert sent["shown"] == ["1 rows were sent.", "1 rows were sent.", "There are no new rows."]
    with_images(deployment, sent["rows"])
    assert [len(deployment.runs_of(f"Sheets: {name}")) for name in ("lost", "added")] == [1, 1]


def test_a_thousand_rows_are_sent_at_once_and_then_the_others(deployment: Deployment) -> None:
    rows = [HEADER, *([f"Sheets: {n}", "", "", "", ""] for n in range(1002))]
    sent = run(deployment, rows, "sendRows")
    assert sent["shown"] == ["1000 rows were sent. Send rows again for the others."]
    batch_id = sent["rows"][1][2]
    assert [bool(row[2]) for row in sent["rows"][1:]] == [True] * 1000 + [False] * 2
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert deployment.http.delete(f"{deployment.trigger}/batches/{batch_id}", headers=headers).status_code == 200


def test_a_problem_is_shown_in_its_words_and_the_rows_can_be_sent_again(deployment: Deployment) -> None:
    rows = [HEADER, ["Sheets: a stranger", "", "", "", ""]]
    rejected = run(deployment, rows, "sendRows", token="wrong")
    (shown,) = rejected["shown"]
    assert "The token is unknown" in shown
    assert rejected["rows"] == rows


def test_an_invalid_row_is_named_by_its_number_in_the_sheet(deployment: Deployment) -> None:
    rows = [HEADER, ["sent before", "", "0" * 32, "", ""], ["new", "", "", "", ""], ["x" * 4001, "", "", "", ""]]
    rejected = run(deployment, rows, "sendRows")
    assert rejected["shown"] == ["Error: Row 4: The prompt has 4,001 characters; the limit is 4,000."]
    assert rejected["rows"] == rows
