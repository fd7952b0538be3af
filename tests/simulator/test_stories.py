"""Runs turn out as their faults say, in every style, in polls and in details."""

import json
from typing import Any

import pytest

from functions.simulator.faults import FAULTS
from functions.simulator.settings import Style
from tests.simulator.conftest import Open, Vendor

STORIES = [name for name, fault in FAULTS.items() if fault.run]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """The run in an answer, whatever its envelope."""
    body = answer.get("data", answer)
    return {**body, **body["executionRuns"][0]} if "executionRuns" in body else body


def node(answer: dict[str, Any]) -> dict[str, Any]:
    run = told(answer)
    return (run.get("nodeResults") or run)["nodeRuns"][0]


async def during_and_after(vendor: Vendor, name: str) -> tuple[dict, dict]:
    run = await vendor.start(f"a cat [fault:{name}]")
    await vendor.clock.sleep(9)
    during = (await vendor.poll(run)).json()
    await vendor.clock.sleep(6)
    return during, (await vendor.poll(run)).json()


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize(
    ("name", "word", "shows_image"),
    [
        ("completed_without_image", "COMPLETED", False),
        ("moderation", "FAILED", False),
        ("failed", "FAILED", False),
        ("cancelled", "CANCELLED", False),
        ("timeout", "TIMEOUT", False),
        ("stuck", "RUNNING", False),
        ("never_ends", "RUNNING", False),
        ("unknown_status", "COMPLETED", True),
        ("missing_status", "COMPLETED", True),
        ("several_images", "COMPLETED", True),
        ("image_before_end", "COMPLETED", True),
        ("lower_case", "COMPLETED", True),
        ("same_url_thrice", "COMPLETED", True),
    ],
)
async def test_a_run_ends_as_its_story_says(
    open_vendor: Open, style: Style, name: str, word: str, shows_image: bool
) -> None:
    async with open_vendor(style=style) as vendor:
        _, after = await during_and_after(vendor, name)
        lower = style is Style.NESTED or name == "lower_case"
        assert told(after)["status"] == (word.lower() if lower else word)
        assert ("/cdn/" in json.dumps(after)) is shows_image


def test_every_story_is_tried_here() -> None:
    marks = test_a_run_ends_as_its_story_says.pytestmark
    tried = {row[0] for mark in marks for row in mark.args[1] if isinstance(row, tuple)}
    assert tried | {"wrapped", "nested"} == set(STORIES)


async def test_a_moderation_refusal_is_in_the_node_and_the_run_has_no_error(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "moderation")
    assert told(after)["error"] is None
    assert "safety system" in node(after)["error"]


async def test_an_image_is_shown_before_the_end(vendor: Vendor) -> None:
    during, _ = await during_and_after(vendor, "image_before_end")
    assert told(during)["status"] == "RUNNING"
    assert node(during)["status"] == "COMPLETED"
    assert "/cdn/" in json.dumps(during)


async def test_unknown_and_missing_words_while_it_runs(vendor: Vendor) -> None:
    during, _ = await during_and_after(vendor, "unknown_status")
    assert during["status"] == "WARMING_UP"
    during, _ = await during_and_after(vendor, "missing_status")
    assert "status" not in during


async def test_one_url_in_at_least_three_places(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "same_url_thrice")
    assert json.dumps(after).count("/cdn/exec_00000001/0.png") >= 3


async def test_several_images_are_all_there(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "several_images")
    assert len(node(after)["output"]["images"]) == 3
    assert len((await vendor.runs())[0]["pictures"]) == 3


async def test_the_details_know_better_of_a_stuck_run_and_not_of_an_endless_one(vendor: Vendor) -> None:
    words = {}
    for name in ("stuck", "never_ends"):
        await during_and_after(vendor, name)
        run = (await vendor.runs())[-1]["executionId"]
        words[name] = (await vendor.details(run)).json()["status"]
    assert words == {"stuck": "COMPLETED", "never_ends": "RUNNING"}


async def test_envelopes_can_be_chosen_for_one_prompt(vendor: Vendor) -> None:
    assert "data" in (await vendor.trigger("a cat [fault:wrapped]")).json()
    assert (await vendor.trigger("a cat [fault:nested]")).json()["data"]["status"] == "running"
    (_, wrapped), (_, nested) = [await during_and_after(vendor, name) for name in ("wrapped", "nested")]
    assert wrapped["data"]["finalOutput"]
    assert nested["data"]["executionRuns"]


async def test_a_rule_gives_its_story_to_so_many_runs(vendor: Vendor) -> None:
    await vendor.fault(fault="moderation", times=1)
    for _ in range(2):
        await vendor.start()
    assert [run["faults"] for run in await vendor.runs()] == [["moderation"], []]
    assert (await vendor.stats())["faults"] == {"moderation": 1}


async def test_a_story_can_be_kept_to_one_endpoint(vendor: Vendor) -> None:
    await vendor.fault(fault="never_ends", **{"for": "details"})
    run = await vendor.start()
    await vendor.clock.sleep(15)
    assert (await vendor.poll(run)).json()["status"] == "COMPLETED"
    assert (await vendor.details(run)).json()["status"] == "RUNNING"


async def test_a_story_is_known_after_a_restart(open_vendor: Open, tmp_path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        run = await vendor.start("a cat [fault:timeout]")
    async with open_vendor(state=state) as vendor:
        await vendor.clock.sleep(15)
        assert (await vendor.poll(run)).json()["status"] == "TIMEOUT"
