"""Every fault of the simulator, in every envelope, through the real functions: each job ends as the table says."""

import hashlib
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.simulator.api import API
from functions.simulator.faults import FAULTS
from functions.simulator.images import render
from functions.simulator.settings import Style
from shared.error_codes import Charged, ErrorCode
from tests.harness.world import World, world
from tests.vendor.consequences import CONSEQUENCES, Consequence, as_markdown

README = Path(__file__).parents[2] / "functions/simulator/README.md"
BEGIN, END = "<!-- consequences -->\n", "<!-- /consequences -->"
SHORT = {"MAX_QUEUE_HOURS": "1", "MAX_IMAGE_BYTES": "1000000", "large_bytes": 2_000_000}
FREE_IF_FAILED = {"moderation", "upstream_error"}  # a model that fails is not charged, says the vendor
RUN_FAULTS = {name for name, fault in FAULTS.items() if fault.run}
SPARED = {"blocked_user_agent"}  # our own user agent is none of those that are blocked
AT_POLLS = [name for name, fault in FAULTS.items() if set(API) <= set(fault.at)]


def consequence(here: World, job: dict[str, Any]) -> Consequence:
    return Consequence(
        status=job["status"],
        code=job["errorCode"],
        charged=job["errorCharged"],
        retryable=job["errorRetryable"],
        calls=len(here.vendor.to("trigger")),
        paid=here.paid,
        marked=job["possibleDuplicate"],
    )


def holds_the_right_bytes(here: World, job: dict[str, Any], folder: Path) -> bool:
    """Every image that the job lists is stored, and is what its run has drawn."""
    runs = {run.execution_id: run for run in here.simulator.state.runs.all()}
    drawn = [hashlib.sha256(render(image)).hexdigest() for image in runs[job["executionId"]].images()]
    stored = [(folder / "images" / "jobs" / job["id"]).glob(f"*/{image['index']}.png") for image in job["images"]]
    found = [hashlib.sha256(path.read_bytes()).hexdigest() for paths in stored for path in paths]
    return found == [image["sha256"] for image in job["images"]] == drawn


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_job_ends_as_the_table_says(tmp_path: Path, fault: str, style: Style) -> None:
    async with world(tmp_path, style=style, **SHORT) as here:
        (job,) = await here.end_of(await here.accepted(f"a cat [fault:{fault}]"))
        assert consequence(here, job) == CONSEQUENCES[fault]
        assert here.simulator.state.stats.faults.keys() == {fault} - SPARED
        if job["status"] == "succeeded":
            assert holds_the_right_bytes(here, job, tmp_path)
            assert job["imageCount"] == FAULTS[fault].min_images
        else:
            assert job["errorMessage"]
            assert job["errorHint"]


def test_every_fault_has_a_row_and_every_row_a_fault() -> None:
    assert CONSEQUENCES.keys() == FAULTS.keys()


def test_every_row_is_one_that_a_caller_can_meet() -> None:
    for row in CONSEQUENCES.values():
        assert (row.status == "succeeded") == (row.code is None)
        assert row.code is None or (ErrorCode(row.code) and Charged(str(row.charged)))
        assert row.paid <= row.calls
        assert not (row.charged == "no" and row.marked), "after an unknown outcome it may have been charged"


def test_the_readme_holds_this_table() -> None:
    _, _, rest = README.read_text().partition(BEGIN)
    found, _, _ = rest.partition(END)
    assert found == as_markdown()


# --- faults at other places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("fault", AT_POLLS)
async def test_no_fault_of_a_poll_ends_a_job(tmp_path: Path, fault: str, style: Style) -> None:
    async with world(tmp_path, style=style) as here:
        for place in ("poll", "details"):
            await here.simulated("/_faults", fault=fault, times=4, **{"for": place})
        (job,) = await here.end_of(await here.accepted())
        assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", False, 1)
        assert here.simulator.state.stats.faults[fault] >= 4


@pytest.mark.parametrize("fault", AT_POLLS)
async def test_while_the_health_call_fails_nothing_is_paid(tmp_path: Path, fault: str) -> None:
    async with world(tmp_path) as here:
        await here.simulated("/_faults", fault=fault, **{"for": "health"})
        job_id = await here.accepted("a cat [fault:unavailable]")
        await here.run_for(timedelta(minutes=20))
        # Of a healthy answer the status alone counts: one whose body ends early is as good as a whole one.
        assert (await here.job(job_id))["status"] == ("succeeded" if fault == "early_end" else "queued")


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - RUN_FAULTS))
async def test_a_vendor_without_keys_is_never_paid_twice_unmarked(tmp_path: Path, fault: str) -> None:
    async with world(tmp_path, honour_keys=False, **SHORT) as here:
        (job,) = await here.end_of(await here.accepted(f"a cat [fault:{fault}]"))
        assert here.paid <= 2
        assert here.paid < 2 or job["possibleDuplicate"]


# --- all at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("honour_keys", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_with_all_faults_at_once_every_job_ends_and_none_is_paid_twice_unmarked(
    tmp_path: Path, seed: int, honour_keys: bool
) -> None:
    settings = {**SHORT, "MAX_QUEUE_HOURS": "12"}
    async with world(tmp_path, seed=seed, honour_keys=honour_keys, **settings) as here:
        await here.simulated("/_faults", fault="any", share=0.2)
        ids = [await here.accepted(f"cat {n}") for n in range(40)]
        jobs = await here.end_of(*ids, patience=timedelta(hours=40))
        paid = Counter(run.prompt for run in here.simulator.state.runs.all())
        for job in jobs:
            assert paid[job["prompt"]] <= (2 if job["possibleDuplicate"] and not honour_keys else 1), job
            if job["status"] == "succeeded":
                assert holds_the_right_bytes(here, job, tmp_path)
            if job["errorCharged"] == "no":
                assert not paid[job["prompt"]] or job["errorCode"] in FREE_IF_FAILED


@pytest.mark.parametrize("end", ["failed", "moderation"])
async def test_after_an_unknown_outcome_no_job_claims_to_be_free(tmp_path: Path, end: str) -> None:
    async with world(tmp_path, honour_keys=False) as here:
        (job,) = await here.end_of(await here.accepted(f"a cat [fault:server_error_once] [fault:{end}]"))
        assert (job["status"], job["possibleDuplicate"], job["errorCharged"]) == ("failed", True, "unknown")


async def test_a_refusal_that_is_replayed_for_a_repeated_key_is_not_asked_for_again_and_again(tmp_path: Path) -> None:
    async with world(tmp_path, MAX_QUEUE_HOURS="6") as here:
        prompt = "a cat [fault:server_error_once] [fault:replayed_first_answer]"
        (job,) = await here.end_of(await here.accepted(prompt))
        assert (job["status"], job["errorCharged"]) == ("failed", "unknown")
        assert len(here.vendor.to("trigger")) < 30
