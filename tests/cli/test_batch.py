"""`batch`: from a table to image files, with the simulator or a deployment; interrupted, it continues."""

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest

from tests.cli.command import Command, Result, eventually, result_of
from tests.processes.product import UNLIMITED, Places, Product
from tests.recipes.small_server import Answer, Request, serving
from tests.servers.process import free_port

FAST = {"SIMULATOR_RUN_SECONDS": "0.5", "EXECUTIONS_PER_MINUTE": "0"}


def table(command: Command, *prompts: str, name: str = "prompts.csv") -> str:
    """Write a file with a row for each prompt; return its name."""
    with (command.folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([("Prompt", "SKU"), *((prompt, f"s-{n}") for n, prompt in enumerate(prompts))])
    return name


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return [*csv.DictReader(file)]


def paid(command: Command) -> list[str]:
    """The prompts of all paid runs of the command's own simulator."""
    lines = (command.folder / ".local/batch/wireflow.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "results.csv")


def test_each_row_becomes_a_file_named_by_its_number_and_prompt(command: Command) -> None:
    done = command.run("batch", table(command, "A red fox", "a cat, asleep [fault:several_images]"), **FAST)
    assert done.code == 0, done.err
    assert done.out == "images/results.csv\n"
    assert "2 images for about $0.40" in done.err
    assert "nothing is paid" in done.err
    assert "2 of 2 rows succeeded. Cost: $0.80 (simulated).\nThe images are in the folder images.\n" in done.err
    stem = "0003-a-cat-asleep-fault-several-images"
    assert files(command.folder / "images") == ["0002-a-red-fox.png", f"{stem}-2.png", f"{stem}-3.png", f"{stem}.png"]
    first, second = results(command.folder / "images")
    assert (first["row"], first["prompt"], first["SKU"], first["status"]) == ("2", "A red fox", "s-0", "succeeded")
    assert (first["file"], second["file"]) == ("0002-a-red-fox.png", f"{stem}.png")


def test_a_row_that_fails_has_a_line_and_the_exit_code_is_1(command: Command) -> None:
    done = command.run("batch", table(command, "a cat", "a dog [fault:moderation]"), "--out", "o", **FAST)
    assert (done.code, "row 3  moderation" in done.err) == (1, True)
    assert done.err.endswith("1 of 2 rows have no image. The column errorHint of o/results.csv says what to do.\n")
    assert [row["status"] for row in results(command.folder / "o")] == ["succeeded", "failed"]
    done_row, failed = results(command.folder / "o")
    assert not {"imageUrl", "imageUrls"} & done_row.keys()
    assert failed["errorHint"].endswith("To run it again, send a file with only this row.")
    assert "127.0.0.1" not in (command.folder / "o/results.csv").read_text()


def test_the_same_command_again_pays_nothing_and_fetches_what_is_missing(command: Command) -> None:
    name = table(command, "a cat", "a dog")
    command.run("batch", name, **FAST)
    (command.folder / "images/0002-a-cat.png").unlink()
    (command.folder / "images/0003-a-dog.png").write_text("something else")
    again = command.run("batch", name, **FAST)
    assert (again.code, "nothing is paid again" in again.err) == (0, True)
    assert files(command.folder / "images") == ["0002-a-cat.png", "0003-a-dog-again1.png", "0003-a-dog.png"]
    assert sorted(paid(command)) == ["a cat", "a dog"]


def test_a_workbook_is_a_table_too(command: Command) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (("Prompt", "deadlineSeconds", "SKU"), ("a cat", 60.0, 4711), (), ("a dog", None, "x")):
        sheet.append(row)
    book.save(command.folder / "prompts.xlsx")
    done = command.run("batch", "prompts.xlsx", **FAST)
    assert done.code == 0, done.err
    assert [(row["row"], row["prompt"], row["SKU"]) for row in results(command.folder / "images")] == [
        ("2", "a cat", "4711"),
        ("4", "a dog", "x"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"prompt,n\na cat,1\n,2\n,3\n", "row 3: The prompt is missing"),
        (b"title\na cat\n", "row 1: The first row must name the columns"),
    ],
)
def test_invalid_rows_are_listed_and_nothing_is_submitted(command: Command, content: bytes, words: str) -> None:
    (command.folder / "p.csv").write_bytes(content)
    done = command.run("batch", "p.csv", **FAST)
    assert (done.code, words in done.err) == (2, True), done.err
    assert not (command.folder / ".local/batch/wireflow.jsonl").exists() or not paid(command)


def test_after_ctrl_c_the_same_command_continues(command: Command) -> None:
    name = table(command, *(f"cat {number}" for number in range(12)))
    pace = {"SIMULATOR_RUN_SECONDS": "2", "EXECUTIONS_PER_MINUTE": "0"}
    with command.started("batch", name, **pace) as process:
        eventually(lambda: (command.folder / ".local/batch/wireflow.jsonl").exists() and len(paid(command)) > 3)
        process.send_signal(signal.SIGINT)
        stopped = result_of(process)
    assert (stopped.code, "Run the same command again to continue." in stopped.err) == (130, True)
    done = command.run("batch", name, **pace)
    assert done.code == 0, done.err
    assert len(files(command.folder / "images")) == 12
    assert sorted(paid(command)) == sorted(f"cat {number}" for number in range(12))


def test_results_do_not_replace_the_file_that_they_are_the_results_of(command: Command) -> None:
    (command.folder / "images").mkdir()
    (command.folder / "images/results.csv").write_text("prompt\na cat\n")
    done = command.run("batch", "images/results.csv")
    assert (done.code, "would replace images/results.csv" in done.err) == (2, True)
    assert (command.folder / "images/results.csv").read_text() == "prompt\na cat\n"


# --- a deployment --------------------------------------------------------------------------------------------------


def test_a_deployment_is_asked_for_its_price_first(command: Command) -> None:
    token, setting = command.run("token", "shop").out.splitlines()
    port, name = free_port(), table(command, "a cat")
    with command.in_background("serve", "--port", str(port), TRIGGER_TOKENS=setting, **FAST):
        url = f"http://127.0.0.1:{port}"
        options = ("batch", name, "--url", url)
        eventually(lambda: command.run(*options, WIREFLOW_IMAGES_TOKEN=token).code == 2)
        asked = command.run(*options, WIREFLOW_IMAGES_TOKEN=token)
        assert "1 image for about $0.20" in asked.err
        assert "Add --yes" in asked.err
        assert "was rejected" in command.run(*options, "--yes").err
        done = command.run(*options, "--yes", "--token", token)
    assert done.code == 0, done.err
    assert files(command.folder / "images") == ["0002-a-cat.png"]


def test_an_upload_that_does_not_succeed_is_tried_until_ctrl_c(command: Command) -> None:
    quote = {"count": 1, "estimatedCost": {"amount": 0.2}, "estimatedEndAt": None}
    tries: list[str] = []

    def respond(request: Request) -> Answer:
        if "dryRun" in request.path:
            return Answer(json.dumps(quote).encode())
        tries.append(request.path)
        return Answer(json.dumps({"detail": "The store does not respond."}).encode(), status=503)

    with serving(respond) as url, command.started("batch", table(command, "a cat"), "--url", url, "--yes") as process:
        eventually(lambda: len(tries) > 1)
        process.send_signal(signal.SIGINT)
        stopped = result_of(process)
    assert stopped.code == 130
    assert stopped.err.count("The store does not respond. Trying again.") == 1
    assert "Run the same command again to continue. Rows that were submitted continue" in stopped.err


@pytest.mark.slow
async def test_300_rows_killed_three_times_end_with_300_images_and_300_paid_runs(tmp_path: Path) -> None:
    """Client, trigger, and poller die at once, three times, at moments that the seed decides."""
    chance, command = random.Random(1), Command(tmp_path)
    name = table(command, *(f"cat {number}" for number in range(300)))
    settings = {**UNLIMITED, "LEASE_SECONDS": "20", "POLL_WINDOW_SECONDS": "10", "POLL_IDLE_EXIT_SECONDS": "1"}
    product = Product(tmp_path, Places.local(tmp_path), settings=settings, simulator={"SIMULATOR_RUN_SECONDS": "0.5-2"})
    async with product.running() as caller:
        arguments = ("batch", name, "--url", product.trigger.url, "--yes", "--out", "out")
        for pause in (0.9, 4 + 4 * chance.random(), 4 + 8 * chance.random()):
            await asyncio.to_thread(_killed_after, pause, command, arguments, product)
        done: Result = await asyncio.to_thread(_to_the_end, command, arguments)
        assert done.code == 0, done.err
        runs = await caller.runs()
    assert sorted(run["prompt"] for run in runs) == sorted(f"cat {number}" for number in range(300))
    assert files(tmp_path / "out") == [f"{number + 2:04}-cat-{number}.png" for number in range(300)]
    assert {row["status"] for row in results(tmp_path / "out")} == {"succeeded"}
    assert len(results(tmp_path / "out")) == 300


def _killed_after(seconds: float, command: Command, arguments: tuple[str, ...], product: Product) -> None:
    with command.started(*arguments) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        for function in product.ours:
            function.kill()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    for function in product.ours:
        function.start()


def _to_the_end(command: Command, arguments: tuple[str, ...]) -> Result:
    with command.started(*arguments) as process:
        out, err = process.communicate(timeout=600)
    return Result(process.returncode, out, err)
