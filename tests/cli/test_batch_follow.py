"""`batch` follows a batch to its end, whatever happens to its rows, the trigger, and the folder meanwhile."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from functions.cli.batch_client import BatchClient
from functions.cli.batch_follow import BatchFollower
from functions.cli.batch_output import BatchOutput
from functions.cli.errors import FetchFailed, SaveFailed
from tests.cli.batch_trigger import Trigger


async def followed(trigger: Trigger, folder: Path, at_pause: Callable[[], None] = lambda: None) -> str:
    """Follow the batch to its end; return what was printed. `at_pause` is called at each look."""
    printed = io.StringIO()
    output = BatchOutput(Console(file=printed, width=120))
    transport = httpx.MockTransport(lambda request: (at_pause(), trigger(request))[1])
    async with httpx.AsyncClient(transport=transport, base_url="http://trigger") as http:
        with httpx.Client(transport=transport) as files:
            batch = await BatchClient(http, {}, output.say).status({"batchId": "b"})
            follower = BatchFollower(BatchClient(http, {}, output.say), files, batch, folder, output)
            await follower.finish(pause=0)
    return printed.getvalue()


def files(folder: Path) -> dict[str, str]:
    """The file of each row in results.csv."""
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return {line["row"]: line["file"] for line in csv.DictReader(file)}


async def test_a_batch_ends_although_one_of_its_jobs_is_erased(tmp_path: Path) -> None:
    await followed(Trigger(("running", "running"), ("succeeded", "erased")), tmp_path)
    assert files(tmp_path) == {"2": "0002-a-cat.png"}


async def test_a_row_that_is_retried_meanwhile_gets_its_image(tmp_path: Path) -> None:
    trigger = Trigger(("failed", "running"), ("failed", "running"), ("queued", "running"), ("succeeded", "succeeded"))
    printed = await followed(trigger, tmp_path)
    assert printed.count("row 2") == 1
    assert files(tmp_path) == {"2": "0002-a-cat.png", "3": "0003-a-cat.png"}


async def test_a_batch_of_which_nothing_was_stored_before_it_was_canceled_ends(tmp_path: Path) -> None:
    await followed(Trigger(()), tmp_path)
    assert files(tmp_path) == {}


async def test_an_outage_of_the_trigger_is_reported_once_and_waited_for(tmp_path: Path) -> None:
    trigger = Trigger(*[("running", "running")] * 6, ("succeeded", "succeeded"))
    trigger.down = {2, 3, 5}
    printed = await followed(trigger, tmp_path)
    assert printed.count("http://trigger did not respond: no route to host. Trying again.") == 2
    assert len(files(tmp_path)) == 2


async def test_images_that_the_trigger_does_not_send_end_the_command_after_some_tries(tmp_path: Path) -> None:
    trigger = Trigger(("succeeded", "succeeded"))
    trigger.image = b"other bytes"
    with pytest.raises(FetchFailed, match="checksum"):
        await followed(trigger, tmp_path)
    assert trigger.at > 5


async def test_results_that_cannot_be_replaced_now_are_written_at_the_end(tmp_path: Path) -> None:
    trigger = Trigger(("running", "succeeded"), ("running", "succeeded"), ("succeeded", "succeeded"))
    blocked = tmp_path / "results.csv"
    blocked.mkdir()
    (blocked / "open elsewhere").touch()

    def free() -> None:
        if trigger.at == 2 and blocked.is_dir():
            (blocked / "open elsewhere").unlink()
            blocked.rmdir()

    await followed(trigger, tmp_path, free)
    assert len(files(tmp_path)) == 2


async def test_results_that_cannot_be_written_at_the_end_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "results.csv/open elsewhere").mkdir(parents=True)
    with pytest.raises(SaveFailed, match=r"results\.csv: .*Close it if another program has it open"):
        await followed(Trigger(("succeeded", "succeeded")), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
async def test_a_disk_that_is_full_ends_the_command_at_once(tmp_path: Path) -> None:
    (tmp_path / ".0002-a-cat.png.part").symlink_to("/dev/full")
    trigger = Trigger(("succeeded", "running"))
    with pytest.raises(SaveFailed, match="No space left on device"):
        await followed(trigger, tmp_path)
    assert trigger.at <= 1
