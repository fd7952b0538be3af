"""The queue is fair: a caller's n-th waiting job comes after everybody's (n-1)-th, however the jobs came."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

import httpx
import pytest

from shared.callers import share_of
from shared.job import Job
from shared.job_states import Status
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer
from tests.steps.test_poison import submit

BLOG = "https://blog.example"
MINUTE = timedelta(minutes=1)
SETTINGS = {**AUTH, "FORM_ORIGINS": f"{SHOP},{BLOG}", "EXECUTIONS_PER_MINUTE": "10", "FORM_PER_MINUTE": "0"}
SETTINGS |= {"FORM_PER_HOUR": "0"}
STEP = timedelta(microseconds=1)


async def waiting(world: World, ids: list[str]) -> list[Job]:
    """Those that wait, in the order in which they would start; those that are prepared keep their place."""
    records = [await world.record(job_id) for job_id in ids]
    queued = [job for job in records if job.status is Status.QUEUED and not job.held]
    return sorted(queued, key=lambda job: (place(job), job.id))


def place(job: Job) -> datetime:
    found = job.queue_at or job.place
    assert found
    return found


def check_fair(jobs: list[Job], slack: int = 1) -> None:
    """Of a caller's jobs the n-th is in no earlier round than everybody's (n - slack)-th."""
    rounds: dict[str, list[Job]] = {}
    for job in jobs:
        rounds.setdefault(share_of(job.caller), []).append(job)
    for mine in rounds.values():
        for others in rounds.values():
            for n, job in enumerate(mine):
                if slack <= n < len(others) + slack:
                    assert place(job) >= place(others[n - slack]), (n, job.caller, others[0].caller)


async def post_batch(world: World, caller: str, count: int) -> list[str]:
    rows = [{"prompt": f"row {n}", **SMALL} for n in range(count)]
    answer = await world.http.post("/", json=rows, headers=bearer(caller))
    assert answer.status_code == 202, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


async def test_after_200_posts_of_one_caller_anothers_job_starts_with_the_next_ones(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        many = [await submit(world, "zap", f"cat {n}") for n in range(200)]
        await world.run_for(3 * MINUTE)
        one = await submit(world, "ci", "a dog")
        ahead = [job.id for job in await waiting(world, [*many, one])].index(one)
        assert ahead <= 2
        await world.run_for(2 * MINUTE)
        assert (await world.record(one)).status in {"running", "succeeded"}


async def test_it_is_the_same_for_batches(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        many = [job_id for _ in range(2) for job_id in await post_batch(world, "zap", 100)]
        few = await post_batch(world, "ci", 5)
        single = await submit(world, "admin", "a dog")
        order = await waiting(world, [*many, *few, single])
        check_fair(order)
        assert [job.id for job in order].index(single) <= 3
        assert max([job.id for job in order].index(job_id) for job_id in few) <= 12


async def test_the_visitors_of_all_forms_share_one_share(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        filler = [await submit(world, "admin", f"filler {n}") for n in range(15)]
        forms = []
        for n in range(40):
            headers = {"Origin": (SHOP, BLOG)[n % 2]}
            answer = await world.http.post("/", json={"prompt": f"cat {n}", **SMALL}, headers=headers)
            forms.append(answer.json()["id"])
        tokens = [await submit(world, "zap", f"dog {n}") for n in range(10)]
        order = await waiting(world, [*filler, *forms, *tokens])
        check_fair(order)
        first = Counter(share_of(job.caller) for job in order[:12])
        assert first["form:"] <= 5


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
async def test_any_interleaving_is_fair_on_one_instance(open_world: OpenWorld, seed: int) -> None:
    chance = random.Random(seed)
    async with open_world(**SETTINGS) as world:
        ids: list[str] = []
        for _ in range(60):
            caller = chance.choices(("zap", "ci", "admin", "form"), (8, 3, 1, 2))[0]
            if caller != "form" and chance.random() < 0.2:
                ids += await post_batch(world, caller, chance.randint(2, 30))
            else:
                ids += await asyncio.gather(*(submit(world, caller) for _ in range(chance.randint(1, 3))))
            if chance.random() < 0.2:
                await world.run_for(MINUTE)
            check_fair(await waiting(world, ids))


@pytest.mark.parametrize("seed", range(4))
async def test_between_instances_it_is_fair_but_for_a_second(open_world: OpenWorld, seed: int) -> None:
    """Each instance reads what the others did at most a second ago."""
    chance = random.Random(seed)
    async with open_world(**SETTINGS) as one, open_world(simulator=one.simulator, **SETTINGS) as two:
        ids: list[str] = []
        for _ in range(80):
            caller = chance.choices(("zap", "ci", "admin"), (8, 3, 1))[0]
            ids.append(await submit(chance.choice((one, two)), caller))
            await one.clock.sleep(chance.uniform(0.2, 3.0))
            check_fair(await waiting(one, ids), slack=6)
        places = [job.queue_at for job in await waiting(one, ids) if job.caller == "zap" and job.queue_at]
        assert max(Counter(places).values()) <= 3


async def test_a_new_instance_continues_where_the_last_one_ended(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as one:
        many = []
        for n in range(30):
            many.append(await submit(one, "zap", f"cat {n}"))
            await one.clock.sleep(0.001)
        async with open_world(simulator=one.simulator, **SETTINGS) as two:
            more = [await submit(two, "zap", f"cat {n}") for n in range(30, 40)]
            order = [job.id for job in await waiting(two, [*many, *more])]
            assert order == [*many, *more][-len(order) :]


async def test_a_caller_whose_jobs_must_be_prepared_gets_no_larger_share(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        filler = [await submit(world, "admin", f"filler {n}") for n in range(40)]
        image = "https://images.test/cat.png"
        world.vendor.sites["images.test"] = lambda _request: httpx.Response(503)
        ids = []
        for n in range(10):
            ids.append(await submit(world, "zap", f"cat {n}", image1=image))
            ids.append(await submit(world, "zap", f"dog {n}"))
        others = [await submit(world, "ci", f"cow {n}") for n in range(10)]
        check_fair(await waiting(world, [*filler, *ids, *others]))


async def test_held_jobs_come_back_one_round_apart(open_world: OpenWorld) -> None:
    """Forty jobs whose workflow was repaired do not pass everybody else at once."""
    async with open_world(**SETTINGS) as world:
        world.vendor.always("trigger", 404, {"error": "Workflow not found"})
        held = [await submit(world, "zap", f"cat {n}") for n in range(40)]
        await world.run_for(4 * MINUTE)
        assert {(await world.record(job_id)).held for job_id in held} == {True}
        world.vendor.reset()
        others = [await submit(world, "ci", f"dog {n}") for n in range(20)]
        await world.run_for(2 * MINUTE)
        check_fair(await waiting(world, [*held, *others]), slack=2)
        started = [job_id for job_id in others if (await world.record(job_id)).started_at]
        assert started
