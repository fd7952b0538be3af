"""Limits and batches: the room in the queue, a caller's own limit, and deadlines of rows that start days later."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.harness.world import moment
from tests.steps.conftest import OpenWorld
from tests.steps.row_batches import AUTH, PRICED, TOKENS, batch, ended, jobs_of, table, upload, uploaded

DAY = timedelta(days=1)


async def test_a_batch_for_which_the_queue_has_no_room_is_not_begun(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="120", EXECUTIONS_PER_MINUTE="10") as world:
        answer = await upload(world, table(121))
        assert (answer.status_code, answer.json()["errorCode"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 5
        found = await uploaded(world, table(120))
        again = await uploaded(world, table(120))
        assert again["batchId"] == found["batchId"], "a repeat needs no room"


async def test_a_caller_has_its_own_limit(open_world: OpenWorld) -> None:
    limits = {"CALLER_LIMITS": json.dumps({"ann": {"maxQueued": 2}}), **AUTH}
    async with open_world(**limits) as world:
        ann, bob = (world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS[name]}") for name in ("ann", "bob"))
        csv_type = {"Content-Type": "text/csv"}
        assert (await ann.post("/batches", content=table(2), headers=csv_type)).status_code == 202
        assert (await ann.post("/batches", content=table(1), headers=csv_type)).status_code == 429
        assert (await bob.post("/batches", content=table(9), headers=csv_type)).status_code == 202


async def test_deadlines_of_a_large_batch_count_from_the_estimated_start(open_world: OpenWorld) -> None:
    """On the free plan, 50 starts a day, the last of 300 rows starts on the sixth day after it was sent."""
    async with open_world(WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10", RETENTION_DAYS="7") as world:
        now = world.clock.now()
        found = await uploaded(world, table(300))
        records = [await world.record(job["id"]) for job in await jobs_of(world, found)]
        assert records[0].give_up_at - now < timedelta(hours=72, minutes=2)
        assert timedelta(days=5, hours=72) - DAY < records[-1].give_up_at - now < timedelta(days=6, hours=72)
        assert all(one.expire_at - one.give_up_at >= timedelta(days=3) for one in records)
        stored = await world.store.get_batch(found["batchId"])
        assert stored
        assert stored.expire_at == max(one.expire_at for one in records)
        assert timedelta(days=5) - DAY < moment(found["estimatedEndAt"]) - now < timedelta(days=6)
        for _ in range(2 * 24 * 7):  # a window each half hour
            await world.run_window()
            await world.clock.sleep(1_800)
        done = await batch(world, found)
        assert (done["status"], done["counts"]["succeeded"], world.paid) == ("done", 300, 300)


async def test_a_deadline_of_the_request_counts_from_the_estimated_start_too(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        found = await uploaded(world, table(100), "deadlineSeconds=120")
        done = await ended(world, found)
        assert done["counts"]["succeeded"] == 100


@pytest.mark.parametrize(
    "limit",
    [{"DAILY_SPEND_USD": "1.3"}, {"CALLER_LIMITS": json.dumps({"ann": {"usdPerDay": 1.3}})}],
    ids=["all", "own"],
)
async def test_deadlines_of_a_batch_that_a_spend_limit_spreads_over_days(open_world: OpenWorld, limit: Any) -> None:
    """Ten images a day: the last of 40 rows starts on the fourth day."""
    async with open_world(**PRICED, **AUTH, **limit) as world:
        ann = world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS['ann']}", **{"Content-Type": "text/csv"})
        now, found = world.clock.now(), (await ann.post("/batches", content=table(40))).json()
        jobs = (await ann.get(f"/batches/{found['batchId']}/jobs?limit=100")).json()["jobs"]
        last = await world.record(jobs[0]["id"])
        assert timedelta(days=2, hours=72) < last.give_up_at - now < timedelta(days=3, hours=72)
        assert timedelta(days=2) < moment(found["estimatedEndAt"]) - now < timedelta(days=3)
