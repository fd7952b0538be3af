"""No retry is paid twice, whenever the functions are killed: single ones, sent twice at once, and a bulk retry."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.crash.kills import places_of
from tests.crash.senders import SMALL
from tests.processes.product import UNLIMITED, Caller, Product

SINGLE, TOGETHER = 6, 40  # jobs that are retried one by one, and by one request
SECONDS = 120.0
KEY = {"Idempotency-Key": "retry-all-of-them"}
ALL_FAILED = {"action": "retry", "filter": {"errorCode": "upstream_error"}, "confirm": True}
SIMULATOR = {"SIMULATOR_RUN_SECONDS": "0.3-0.8", "SIMULATOR_HONOUR_KEYS": "false", "SIMULATOR_SLOW_SECONDS": "0.4"}


@pytest.mark.parametrize("store", ["sqlite", pytest.param("firestore", marks=pytest.mark.slow)])
async def test_no_retry_is_paid_twice_whenever_the_functions_are_killed(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    places = places_of(store, tmp_path, request)
    kills, chance = tmp_path / "kills", random.Random(request.config.getoption("--seed"))
    settings = {**UNLIMITED, "LEASE_SECONDS": "20", "KILLS": str(kills)}
    source = "tests/crash/deadly_trigger.py"
    product = Product(tmp_path, places, settings=settings, simulator=SIMULATOR, trigger_source=source)
    async with product.running() as caller:
        ids = await _failed_jobs(caller, SINGLE + TOGETHER)
        await _delay_paid_calls(caller)
        answers = await _retry_while_functions_are_killed(product, caller, ids[:SINGLE], chance)
        response = await _answered(caller, "/jobs/actions", ALL_FAILED, KEY)
        ended = {job_id: await caller.finished(job_id, SECONDS) for job_id in ids}
        runs = Counter(run["prompt"] for run in await caller.runs())

    assert all(Counter(each)[202] <= 1 for each in answers.values()), answers
    assert {code for each in answers.values() for code in each} <= {202, 409}
    assert len(kills.read_text().splitlines()) >= 2, "the trigger is killed in the middle of the bulk retry"
    result = response.json()
    assert (response.status_code, result["matched"], result["done"], result["skipped"]) == (200, TOGETHER, TOGETHER, 0)
    assert sorted(result["jobs"]) == sorted(ids[SINGLE:])
    assert {job["attempt"] for job in ended.values()} == {2}, "refused calls aside, each job was retried once"
    for job in ended.values():
        paid = runs[job["prompt"]]
        assert paid == 2 or (paid == 3 and job["possibleDuplicate"]) or job["errorCode"] == "outcome_unknown", job
        assert job["status"] == "succeeded" or job["errorCode"] == "outcome_unknown", job


async def _failed_jobs(caller: Caller, count: int) -> list[str]:
    """Return the ids of jobs whose first run has failed, those of the bulk retry last."""
    fault = {"fault": "failed", "times": count}
    (await caller.http.post(f"{caller.simulator}/_faults", json=fault)).raise_for_status()
    ids = [
        await caller.submit(prompt=f"cat {number}", **SMALL, metadata={"number": str(number)})
        for number in range(count)
    ]
    for job_id in ids:
        assert (await caller.finished(job_id, SECONDS))["errorCode"] == "upstream_error"
    return ids


async def _delay_paid_calls(caller: Caller) -> None:
    """Delay half of the responses to paid calls, so that kills meet some of them in flight."""
    fault = {"fault": "slow_first_byte", "for": "trigger", "share": 0.5}
    (await caller.http.post(f"{caller.simulator}/_faults", json=fault)).raise_for_status()


async def _retry_while_functions_are_killed(
    product: Product, caller: Caller, ids: list[str], chance: random.Random
) -> dict[str, list[int]]:
    """Retry each job twice at once; each sender repeats its request until it is answered. Return the answers."""
    answers: dict[str, list[int]] = {job_id: [] for job_id in ids}

    async def send(job_id: str) -> None:
        await asyncio.sleep(chance.uniform(0, 2))
        body = {"confirm": True, "attempt": 1}
        answers[job_id].append((await _answered(caller, f"/jobs/{job_id}/retry", body)).status_code)

    sending = asyncio.gather(*(send(job_id) for job_id in ids for _ in range(2)))
    for victim in (product.trigger, product.pollers[0], product.trigger):
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
    await sending
    return answers


async def _answered(
    caller: Caller, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx.Response:
    """Send the request until it is answered."""
    while True:
        try:
            response = await caller.http.post(path, json=body, headers=headers)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        if response.status_code != 503:
            return response
