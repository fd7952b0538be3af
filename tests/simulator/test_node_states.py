"""Polls report each node of a run: label, status, and progress."""

from typing import Any

import pytest

from functions.simulator.api import PAID, Endpoint
from tests.simulator.conftest import Open, Vendor


async def states(vendor: Vendor) -> list[dict[str, Any]]:
    return (await vendor.poll("exec_00000001")).json()["data"]["nodeStates"]


@pytest.mark.parametrize("endpoint", PAID)
async def test_inputs_are_completed_at_once_and_the_generator_progresses(open_vendor: Open, endpoint: Endpoint) -> None:
    async with open_vendor(style="wrapped") as vendor:
        await vendor.pay(endpoint)
        seen = []
        for seconds in (0, 3, 6, 6):
            await vendor.clock.sleep(seconds)
            first, *_, last = await states(vendor)
            assert (first["status"], first["progress"], first["text"]) == ("COMPLETED", 100, "a cat")
            seen.append((last["status"], last["progress"]))
        assert seen == [("PENDING", 0), ("RUNNING", 20), ("RUNNING", 60), ("COMPLETED", 100)]
        assert last["label"] == "Nano Banana Pro"
        assert last["outputUrl"].endswith("/0.png")


async def test_the_saved_workflow_reports_every_given_input(open_vendor: Open) -> None:
    async with open_vendor(style="wrapped") as vendor:
        await vendor.run(prompt="a cat", style="in oil")
        assert [state["label"] for state in await states(vendor)] == ["Prompt", "Style", "Nano Banana Pro"]


@pytest.mark.parametrize(
    ("fault", "status", "progress"),
    [("moderation", "FAILED", None), ("timeout", "TIMEOUT", None), ("stuck", "RUNNING", 99)],
)
async def test_a_node_without_a_result_is_never_at_100(
    open_vendor: Open, fault: str, status: str, progress: int | None
) -> None:
    async with open_vendor(style="wrapped") as vendor:
        await vendor.start(f"a cat [fault:{fault}]")
        await vendor.clock.sleep(60)
        last = (await states(vendor))[-1]
        assert (last["status"], last["progress"]) == (status, progress)


async def test_a_run_of_zero_seconds_has_a_progress(open_vendor: Open) -> None:
    async with open_vendor(style="wrapped", run_seconds=(0.0, 0.0)) as vendor:
        await vendor.start("a cat [fault:never_ends]")
        assert (await states(vendor))[-1]["progress"] == 99
