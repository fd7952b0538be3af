"""A rush on the enterprise plan and a single image on the free one, with Wireflow's published limits enforced."""

import asyncio
from datetime import timedelta
from pathlib import Path

from tests.harness.virtual_time import run
from tests.harness.world import moment, world

LIMITS = {"EXECUTIONS_PER_MINUTE": "10"}


def test_120_posts_at_once_never_start_more_than_ten_a_minute_and_provoke_no_429(tmp_path: Path) -> None:
    async def rush() -> None:
        async with world(
            tmp_path, plan="enterprise", run_seconds=(10.0, 20.0), WIREFLOW_PLAN="enterprise", **LIMITS
        ) as here:
            answers = await asyncio.gather(*(here.post(f"cat {n}") for n in range(120)))
            assert {answer.status_code for answer in answers} == {202}
            jobs = await here.end_of(*(answer.json()["id"] for answer in answers))
            stats = await here.simulated("/_stats")
            assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}
            assert stats["maxStartsPerMinute"] == 10
            assert stats["rateLimited"] == 0
            assert stats["answers"]["trigger"] == {"202": 120}
            assert sorted(run.prompt for run in here.simulator.state.runs.all()) == sorted(
                f"cat {n}" for n in range(120)
            )
            assert len({job["images"][0]["sha256"] for job in jobs}) == 120
            took = max(moment(job["completedAt"]) for job in jobs) - moment(jobs[0]["createdAt"])
            assert took <= timedelta(minutes=14), "ten a minute are used"

    run(rush())


def test_on_the_free_plan_the_51st_image_of_a_day_waits_for_midnight(tmp_path: Path) -> None:
    async def day() -> None:
        plan = {"plan": "free", "WIREFLOW_PLAN": "free", **LIMITS}
        async with world(tmp_path, **plan) as here:
            ids = [await here.accepted(f"cat {n}") for n in range(55)]
            await here.run_for(timedelta(minutes=40))
            jobs = [await here.job(job_id) for job_id in ids]
            waiting = [job for job in jobs if job["status"] == "queued"]
            assert (len(waiting), here.paid) == (5, 50)
            midnight = here.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            assert {job["waitReason"] for job in waiting} == {"rate_limited"}
            assert all(
                midnight <= moment(job["estimatedStartAt"]) <= midnight + timedelta(minutes=1) for job in waiting
            )

    run(day())


def test_on_the_free_plan_one_image_is_done_in_well_under_a_minute(tmp_path: Path) -> None:
    async def one() -> None:
        plan = {"plan": "free", "WIREFLOW_PLAN": "free", **LIMITS}
        async with world(tmp_path, run_seconds=(15.0, 15.0), **plan) as here:
            (job,) = await here.end_of(await here.accepted())
            stats = await here.simulated("/_stats")
            assert job["status"] == "succeeded"
            assert moment(job["completedAt"]) - moment(job["createdAt"]) <= timedelta(seconds=30)
            assert stats["rateLimited"] == 0

    run(one())
