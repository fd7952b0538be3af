"""The bench of pacing works, and its model agrees with the product."""

import asyncio
import random
import statistics
from datetime import datetime

from tests.bench.pacing import POLICIES, SCENARIOS, figures
from tests.bench.poller_model import Model, Plan, Run
from tests.harness import virtual_time
from tests.harness.world import moment, world

IMAGES, EVERY, SECONDS = 60, 12.0, (8.0, 24.0)


def test_every_policy_finds_every_image_and_causes_no_429():
    for scenario in SCENARIOS:
        for policy in POLICIES.values():
            found = figures(policy, scenario, "bimodal", 60)
            assert found.refused == 0
            assert found.polls >= 1


def test_knowing_when_runs_end_is_better_than_pacing_and_pacing_better_than_the_guide_and_a_cron():
    for scenario in (one for one in SCENARIOS if one.name == "steady"):
        lag = {name: figures(policy, scenario, "log-normal", 120).lag[0] for name, policy in POLICIES.items()}
        assert lag["clairvoyant"] < lag["ours"] < lag["guide"] < lag["cron"]


def test_the_model_agrees_with_the_real_window(tmp_path) -> None:
    lag, polls = virtual_time.run(real_figures(tmp_path))
    rand = random.Random(1)
    runs = [Run(7 + number * EVERY, rand.uniform(*SECONDS)) for number in range(IMAGES)]
    model = Model(Plan(requests=60, starts=10, at_once=6), runs).play()
    assert abs(statistics.median(run.lag for run in model.runs) - lag) < 0.7
    assert abs(statistics.mean(run.polls for run in model.runs) - polls) < 0.7


async def real_figures(folder) -> tuple[float, float]:
    """Return the median lag and the mean polls of the same scenario with both functions and the simulator."""
    settings = {"WIREFLOW_PLAN": "pro", "EXECUTIONS_PER_MINUTE": "10", "DAILY_EXECUTIONS": "0"}
    async with world(folder, wake_ups=True, plan="pro", run_seconds=SECONDS, **settings) as opened:
        calling = asyncio.create_task(call_every_minute(opened))
        await opened.clock.sleep(7)
        job_ids = []
        for number in range(IMAGES):
            job_ids.append(await opened.accepted(f"prompt {number}"))
            await opened.clock.sleep(EVERY)
        await opened.clock.sleep(60)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        ends = {run["executionId"]: run["endsAt"] for run in (await opened.simulated("_runs"))["runs"]}
        jobs = [await opened.job(job_id) for job_id in job_ids]
        lags = [(moment(job["completedAt"]) - datetime.fromisoformat(ends[job["executionId"]])) for job in jobs]
        stats = await opened.simulated("_stats")
        assert stats["rateLimited"] == 0
        polls = statistics.mean(len(times) for times in stats["polls"].values())
        return statistics.median(lag.total_seconds() for lag in lags), polls


async def call_every_minute(opened) -> None:
    async with asyncio.TaskGroup() as calls:
        while True:
            calls.create_task(opened.call_poller())
            await opened.clock.sleep(60)
