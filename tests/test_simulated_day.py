"""A burst on the enterprise plan, and a day and a single image on the free plan, under Wireflow's published limits."""

import asyncio
from datetime import timedelta
from pathlib import Path

from tests.harness import world as harness
from tests.harness.virtual_time import run
from tests.harness.world import moment

LIMITS = {"EXECUTIONS_PER_MINUTE": "10"}


def test_120_posts_at_once_start_ten_a_minute_and_cause_no_429(tmp_path: Path) -> None:
    async def burst() -> None:
        async with harness.world(
            tmp_path, plan="enterprise", run_seconds=(10.0, 20.0), WIREFLOW_PLAN="enterprise", **LIMITS
        ) as world:
            responses = await asyncio.gather(*(world.post(f"cat {n}") for n in range(120)))
            assert {response.status_code for response in responses} == {202}
            jobs = await world.end_of(*(response.json()["id"] for response in responses))
            stats = await world.simulated("/_stats")
            assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}
            assert stats["maxStartsPerMinute"] == 10
            assert stats["rateLimited"] == 0
            assert stats["answers"]["trigger"] == {"202": 120}
            assert sorted(run.prompt for run in world.simulator.state.runs.all()) == sorted(
                f"cat {n}" for n in range(120)
            )
            assert len({job["images"][0]["sha256"] for job in jobs}) == 120
            duration = max(moment(job["completedAt"]) for job in jobs) - moment(jobs[0]["createdAt"])
            assert duration <= timedelta(minutes=14), "the full rate of ten a minute is used"

    run(burst())


def test_on_the_free_plan_the_51st_image_of_a_day_waits_for_midnight(tmp_path: Path) -> None:
    async def day() -> None:
        plan = {"plan": "free", "WIREFLOW_PLAN": "free", **LIMITS}
        async with harness.world(tmp_path, **plan) as world:
            ids = [await world.accepted(f"cat {n}") for n in range(55)]
            await world.run_for(timedelta(minutes=40))
            jobs = [await world.job(job_id) for job_id in ids]
            queued = [job for job in jobs if job["status"] == "queued"]
            assert (len(queued), world.paid) == (5, 50)
            midnight = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            assert {job["waitReason"] for job in queued} == {"rate_limited"}
            assert all(midnight <= moment(job["estimatedStartAt"]) <= midnight + timedelta(minutes=1) for job in queued)

    run(day())


def test_on_the_free_plan_one_image_takes_at_most_30_seconds(tmp_path: Path) -> None:
    async def one() -> None:
        plan = {"plan": "free", "WIREFLOW_PLAN": "free", **LIMITS}
        async with harness.world(tmp_path, run_seconds=(15.0, 15.0), **plan) as world:
            (job,) = await world.end_of(await world.accepted())
            stats = await world.simulated("/_stats")
            assert job["status"] == "succeeded"
            assert moment(job["completedAt"]) - moment(job["createdAt"]) <= timedelta(seconds=30)
            assert stats["rateLimited"] == 0

    run(one())
