"""Paid runs are on the disk before their response, and survive any end of the process."""

import asyncio
import json
from pathlib import Path

from tests.simulator.conftest import JumpingClock, Open


async def test_runs_survive_a_restart_and_end_on_time(open_vendor: Open, tmp_path: Path) -> None:
    clock, state = JumpingClock(), tmp_path / "runs.jsonl"
    async with open_vendor(clock, state=state) as before:
        run = await before.start("a cat", "key-1", format="webp")
        listed = await before.runs()
    async with open_vendor(clock, state=state, run_seconds=(99.0, 99.0)) as after:
        assert await after.runs() == listed
        assert await after.start("a cat", "key-1") == run
        await clock.sleep(15)
        assert (await after.poll(run)).json()["status"] == "COMPLETED"


async def test_an_incomplete_line_is_no_run_and_damages_no_other(open_vendor: Open, tmp_path: Path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        await vendor.start("first")
    with state.open("ab") as file:
        file.write(b'{"executionId": "exec_torn", "pro')
    async with open_vendor(state=state) as vendor:
        await vendor.start("second")
    assert [json.loads(line)["prompt"] for line in state.read_text().splitlines()] == ["first", "second"]


async def test_concurrent_calls_with_one_key_pay_once(open_vendor: Open, tmp_path: Path) -> None:
    async with open_vendor(state=tmp_path / "runs.jsonl") as vendor:
        ids = await asyncio.gather(*(vendor.start("a cat", "key-1") for _ in range(8)))
        assert len(set(ids)) == 1
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 1


async def test_a_run_that_cannot_be_written_does_not_exist(open_vendor: Open, tmp_path: Path) -> None:
    state = tmp_path / "missing" / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        try:
            await vendor.trigger("a cat", "key-1")
        except OSError:
            assert (await vendor.stats())["paidRuns"] == 0
            return
    raise AssertionError("a run was confirmed that is not on the disk")


async def test_a_reset_empties_the_ledger(open_vendor: Open, tmp_path: Path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        await vendor.start()
        await vendor.http.post("/_reset")
        await vendor.start("after")
    assert len(state.read_text().splitlines()) == 1
