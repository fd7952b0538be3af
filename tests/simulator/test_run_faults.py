"""Faults of a run change how it turns out, in every style, in polls and details."""

import json
from typing import Any

import pytest

from functions.simulator.faults import FAULTS
from functions.simulator.settings import Style
from tests.simulator.conftest import Open, Vendor

RUN_FAULTS = [name for name, fault in FAULTS.items() if fault.run]


def reported_run(response: dict[str, Any]) -> dict[str, Any]:
    """The run in a response, whatever its style."""
    body = response.get("data", response)
    return {**body, **body["executionRuns"][0]} if "executionRuns" in body else body


def node(response: dict[str, Any]) -> dict[str, Any]:
    run = reported_run(response)
    return (run.get("nodeResults") or run)["nodeRuns"][0]


async def during_and_after(vendor: Vendor, name: str) -> tuple[dict, dict]:
    run = await vendor.start(f"a cat [fault:{name}]")
    await vendor.clock.sleep(9)
    during = (await vendor.poll(run)).json()
    await vendor.clock.sleep(6)
    return during, (await vendor.poll(run)).json()


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize(
    ("name", "status", "shows_image"),
    [
        ("completed_without_image", "COMPLETED", False),
        ("moderation", "FAILED", False),
        ("content_checker", "FAILED", False),
        ("text_instead_of_image", "COMPLETED", False),
        ("failed", "FAILED", False),
        ("succeeded_word", "SUCCEEDED", True),
        ("error_word", "ERROR", False),
        ("unknown_final_status", "ARCHIVED", True),
        ("signed_again", "COMPLETED", True),
        ("inline_image", "COMPLETED", True),
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
async def test_a_run_ends_as_its_fault_says(
    open_vendor: Open, style: Style, name: str, status: str, shows_image: bool
) -> None:
    async with open_vendor(style=style) as vendor:
        _, after = await during_and_after(vendor, name)
        lower = style is Style.NESTED or name == "lower_case"
        assert reported_run(after)["status"] == (status.lower() if lower else status)
        assert ("/cdn/" in json.dumps(after)) is shows_image


def test_every_fault_of_a_run_is_tried_here() -> None:
    marks = test_a_run_ends_as_its_fault_says.pytestmark
    tried = {row[0] for mark in marks for row in mark.args[1] if isinstance(row, tuple)}
    assert tried | {"wrapped", "nested"} == set(RUN_FAULTS)


async def test_a_moderation_error_is_in_the_node_and_not_in_the_run(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "moderation")
    assert reported_run(after)["error"] is None
    assert "safety system" in node(after)["error"]


async def test_a_provider_s_error_object_is_in_the_node(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "content_checker")
    assert node(after)["error"]["detail"][0]["type"] == "content_policy_violation"


async def test_a_text_is_the_output_of_the_node(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "text_instead_of_image")
    assert node(after)["output"] == "I cannot draw that."


async def test_each_response_has_other_signatures(vendor: Vendor) -> None:
    urls = [node(response)["output"]["images"][0]["url"] for response in await during_and_after(vendor, "signed_again")]
    assert urls[0] != urls[1]
    assert len({url.partition("?")[0] for url in urls}) == 1


async def test_base64_is_beside_the_url(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "inline_image")
    (image,) = node(after)["output"]["images"]
    assert len(image["b64_json"]) == 5 * 1024 * 1024
    assert "/cdn/" in image["url"]


async def test_an_image_can_be_reported_before_the_end(vendor: Vendor) -> None:
    during, _ = await during_and_after(vendor, "image_before_end")
    assert reported_run(during)["status"] == "RUNNING"
    assert node(during)["status"] == "COMPLETED"
    assert "/cdn/" in json.dumps(during)


async def test_unknown_and_missing_statuses_while_it_runs(vendor: Vendor) -> None:
    during, _ = await during_and_after(vendor, "unknown_status")
    assert during["status"] == "WARMING_UP"
    during, _ = await during_and_after(vendor, "missing_status")
    assert "status" not in during


async def test_one_url_in_at_least_three_places(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "same_url_thrice")
    assert json.dumps(after).count("/cdn/exec_00000001/0.png") >= 3


async def test_several_images_are_all_reported(vendor: Vendor) -> None:
    _, after = await during_and_after(vendor, "several_images")
    assert len(node(after)["output"]["images"]) == 3
    assert len((await vendor.runs())[0]["pictures"]) == 3


async def test_details_report_the_end_of_a_stuck_run_but_not_of_one_that_never_ends(vendor: Vendor) -> None:
    statuses = {}
    for name in ("stuck", "never_ends"):
        await during_and_after(vendor, name)
        run = (await vendor.runs())[-1]["executionId"]
        statuses[name] = (await vendor.details(run)).json()["status"]
    assert statuses == {"stuck": "COMPLETED", "never_ends": "RUNNING"}


async def test_a_prompt_can_choose_its_style(vendor: Vendor) -> None:
    assert "data" in (await vendor.trigger("a cat [fault:wrapped]")).json()
    assert (await vendor.trigger("a cat [fault:nested]")).json()["data"]["status"] == "running"
    (_, wrapped), (_, nested) = [await during_and_after(vendor, name) for name in ("wrapped", "nested")]
    assert wrapped["data"]["finalOutput"]
    assert nested["data"]["executionRuns"]


async def test_a_rule_applies_to_so_many_runs(vendor: Vendor) -> None:
    await vendor.fault(fault="moderation", times=1)
    for _ in range(2):
        await vendor.start()
    assert [run["faults"] for run in await vendor.runs()] == [["moderation"], []]
    assert (await vendor.stats())["faults"] == {"moderation": 1}


async def test_a_fault_of_a_run_can_be_limited_to_one_endpoint(vendor: Vendor) -> None:
    await vendor.fault(fault="never_ends", **{"for": "details"})
    run = await vendor.start()
    await vendor.clock.sleep(15)
    assert (await vendor.poll(run)).json()["status"] == "COMPLETED"
    assert (await vendor.details(run)).json()["status"] == "RUNNING"


async def test_a_fault_of_a_run_survives_a_restart(open_vendor: Open, tmp_path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        run = await vendor.start("a cat [fault:timeout]")
    async with open_vendor(state=state) as vendor:
        await vendor.clock.sleep(15)
        assert (await vendor.poll(run)).json()["status"] == "TIMEOUT"
