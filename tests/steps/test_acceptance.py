"""What accepting a job costs, and how many may wait."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.ports import JobStore
from shared.spending.gate_state import Gate
from shared.store_errors import StoreUnavailable
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer
from tests.steps.test_fair_queue import post_batch
from tests.steps.test_poison import submit

MINUTE = timedelta(minutes=1)
LIMITED = {**AUTH, "EXECUTIONS_PER_MINUTE": "10"}
WEBHOOK = {"mode": "webhook", "id": "demo-webhook"}
SPENDING = {"WIREFLOW_WORKFLOWS": json.dumps({"default": {**WEBHOOK, "pricePerImage": 0.1}})}


class Calls:
    """A job store that counts its calls by name. The secret behind job ids is read once."""

    def __init__(self, inner: JobStore) -> None:
        self.counts: Counter[str] = Counter()
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            self.counts[name] += 1
            return await method(*arguments, **options)

        return method if name in ("close", "id_secret") else call


def counts(world: World) -> Counter[str]:
    assert isinstance(world.store, Calls)
    return world.store.counts


# --- cost ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_queued_post_makes_one_call_to_the_store(open_world: OpenWorld, key: str | None) -> None:
    async with open_world(wrap=Calls, EXECUTIONS_PER_MINUTE="1") as world:
        for number in range(4):
            await world.accepted(f"cat {number}", key=key and f"{key}{number}")
        counts(world).clear()
        assert (await world.post("one more", key=key)).json()["status"] == "queued"
        assert counts(world) == {"create": 1}


async def test_the_queue_is_read_at_most_twice_a_second_however_many_requests_there_are(open_world: OpenWorld) -> None:
    async with open_world(wrap=Calls, **LIMITED) as world:
        callers = ["zap", "ci", "admin"]
        for caller in callers * 5:
            await submit(world, caller)
        counts(world).clear()
        posts, seconds = 0, 20
        for _ in range(seconds * 10):
            await asyncio.gather(*(submit(world, caller) for caller in callers))
            posts += len(callers)
            await world.clock.sleep(0.1)
        assert counts(world)["create"] == posts
        assert counts(world).total() - posts <= 2 * seconds
        assert counts(world)["count_ahead"] <= 2 * seconds / 5 + 2


class LongQueue(Calls):
    """A job store in which 100,000 jobs wait, which only the count shows."""

    async def count_ahead(self, queue_at: datetime) -> int:
        await self._inner.count_ahead(queue_at)
        return 100_000


async def test_a_long_queue_is_read_rarely_because_it_does_not_end_soon(open_world: OpenWorld) -> None:
    async with open_world(wrap=LongQueue, EXECUTIONS_PER_MINUTE="1", MAX_QUEUED_JOBS="0") as world:
        for number in range(6):
            await world.accepted(f"cat {number}")
            await world.clock.sleep(10)
        counts(world).clear()
        for number in range(30):
            assert (await world.post(f"dog {number}")).json()["status"] == "queued"
            await world.clock.sleep(3)
        assert counts(world)["queue_head"] <= 2
        assert counts(world)["list_jobs"] <= 2


@pytest.mark.parametrize(("bound", "counted"), [("0", False), ("10000", True)])
async def test_held_jobs_are_counted_only_for_a_bound(open_world: OpenWorld, bound: str, counted: bool) -> None:
    async with open_world(wrap=Calls, MAX_QUEUED_JOBS=bound) as world:
        for number in range(10):
            assert (await world.post(f"cat {number}")).json()["status"] == "running"
            await world.clock.sleep(5)
        assert (counts(world)["count_ahead"] > 0) is counted


async def test_a_started_post_makes_two_writes_and_without_limits_none_of_the_gate(open_world: OpenWorld) -> None:
    async with open_world(wrap=Calls) as world:
        await world.accepted("the first reads the gate")
        counts(world).clear()
        assert (await world.post()).json()["status"] == "running"
        assert counts(world) == {"create": 1, "save": 1}


async def test_jobs_that_arrive_together_share_a_write_of_the_gate(open_world: OpenWorld) -> None:
    async with open_world(wrap=Calls, EXECUTIONS_PER_MINUTE="10") as world:
        await world.accepted("the first reads the gate")
        counts(world).clear()
        responses = await asyncio.gather(*(world.post(f"cat {number}") for number in range(12)))
        states = Counter(response.json()["status"] for response in responses)
        assert states == {"running": 9, "queued": 3}
        assert counts(world)["save_gate"] <= 3


async def test_a_repeated_request_reserves_no_execution(open_world: OpenWorld) -> None:
    async with open_world(wrap=Calls, EXECUTIONS_PER_MINUTE="10") as world:
        await world.accepted(key="k")
        counts(world).clear()
        assert (await world.post(key="k")).headers["Idempotent-Replayed"] == "true"
        assert counts(world) == {"get": 1}


class Down:
    """A job store that does not respond."""

    def __init__(self, inner: JobStore) -> None:
        self.close = inner.close

    def __getattr__(self, name: str) -> Any:
        async def call(*_arguments: Any) -> Any:
            raise StoreUnavailable(name)

        return call


async def test_a_store_that_does_not_respond_is_not_read_again_and_again(open_world: OpenWorld) -> None:
    async with open_world(wrap=Down) as world:
        assert (await world.post()).status_code == 503


async def test_the_gate_of_a_deployment_without_limits_is_not_written(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.end_of(await world.accepted())
        assert await world.store.read_gate() == Gate()


# --- the bound -----------------------------------------------------------------------------------------------------


async def test_beyond_the_bound_nothing_is_stored_and_the_caller_is_told_when_to_try_again(
    open_world: OpenWorld,
) -> None:
    async with open_world(wrap=Calls, MAX_QUEUED_JOBS="3", **LIMITED) as world:
        for number in range(13):
            await submit(world, "zap", f"cat {number}")
        counts(world).clear()
        response = await world.http.post("/", json={"prompt": "one more", **SMALL}, headers=bearer("zap"))
        assert (response.status_code, response.json()["errorCode"]) == (429, "rate_limited")
        assert 5 <= int(response.headers["Retry-After"]) <= 61
        assert counts(world)["create"] == 0
        await world.run_for(2 * MINUTE)
        await submit(world, "zap", "after the others have started")


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="10", **LIMITED) as world:
        rows = [{"prompt": f"row {number}", **SMALL} for number in range(11)]
        assert (await world.http.post("/", json=rows, headers=bearer("zap"))).status_code == 429
        assert len(await post_batch(world, "zap", 10)) == 10


async def test_a_repeated_request_gets_its_job_however_many_wait(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="2", EXECUTIONS_PER_MINUTE="1") as world:
        jobs = [await world.accepted(f"cat {number}", key=f"k{number}") for number in range(3)]
        assert (await world.post("cat 3", key="k3")).status_code == 429
        repeated = await world.post("cat 2", key="k2")
        assert repeated.json()["id"] == jobs[2]


@pytest.mark.parametrize("pause", [1, 20])
async def test_held_jobs_count(open_world: OpenWorld, pause: int) -> None:
    async with open_world(MAX_QUEUED_JOBS="5", **LIMITED) as world:
        world.vendor.always("trigger", 404, {"error": "Workflow not found"})
        for number in range(5):
            await submit(world, "zap", f"cat {number}")
        await world.run_for(2 * MINUTE)
        statuses = []
        for number in range(4):
            answer = await world.http.post("/", json={"prompt": f"dog {number}", **SMALL}, headers=bearer("zap"))
            statuses.append(answer.status_code)
            await world.clock.sleep(pause)
        assert statuses[-1] == 429


@pytest.mark.parametrize("limits", [{"usdPerDay": 0.1}, {"perDay": 1}])
async def test_the_bound_of_a_caller_counts_its_held_jobs(open_world: OpenWorld, limits: dict[str, float]) -> None:
    async with open_world(**of_callers(zap={**limits, "maxQueued": 3})) as world:
        answers = [await send(world, "zap", number) for number in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 2
        assert answers[5].headers["Retry-After"] == "3600", "its limit resets at midnight"
        assert (await world.record(answers[3].json()["id"])).held
        assert (await send(world, "ci", 6)).json()["status"] == "running"
        async with open_world(simulator=world.simulator, **of_callers(zap={**limits, "maxQueued": 3})) as other:
            assert (await send(other, "zap", 7)).status_code == 429, "another instance counts them too"
            await other.http.delete(f"/jobs/{answers[2].json()['id']}", headers=bearer("zap"))
            await other.clock.sleep(16)
            assert [(await send(other, "zap", number)).status_code for number in (8, 9)] == [202, 429]


async def test_the_bound_of_a_caller_is_that_of_its_own_jobs_in_the_queue(open_world: OpenWorld) -> None:
    async with open_world(**of_callers(zap={"maxQueued": 3}), EXECUTIONS_PER_MINUTE="1") as world:
        for number in range(5):
            await submit(world, "ci", f"dog {number}")
        burst = await asyncio.gather(*(send(world, "zap", number) for number in range(6)))
        assert Counter(answer.status_code for answer in burst) == {202: 3, 429: 3}
        answer = await world.http.post("/", json=[{"prompt": "row", **SMALL}], headers=bearer("zap"))
        assert answer.status_code == 429


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("own", [True, False])
async def test_a_post_that_waits_for_a_spend_limit_makes_one_call_to_the_store(
    open_world: OpenWorld, key: str | None, own: bool
) -> None:
    limits = of_callers(zap={"usdPerDay": 0.1}) if own else {**of_callers(), "DAILY_SPEND_USD": "0.1"}
    async with open_world(wrap=Calls, **limits, EXECUTIONS_PER_MINUTE="10") as world:
        for number in range(3):
            await send(world, "zap", number)
        if not own:  # no job waits, and the gate is closed
            for job in (await world.http.get("/jobs?status=queued", headers=bearer("zap"))).json()["jobs"]:
                await world.http.delete(f"/jobs/{job['id']}", headers=bearer("zap"))
            await world.clock.sleep(1.6)
            await send(world, "zap", 0, dryRun=True)
        counts(world).clear()
        answer = await send(world, "zap", 4, key=key and f"{key}4")
        assert answer.json()["waitReason"] == "spend_limit"
        assert counts(world) == {"create": 1}


async def test_the_limit_of_a_caller_is_read_with_the_snapshot(open_world: OpenWorld) -> None:
    settings = of_callers(zap={"usdPerDay": 0.1, "maxQueued": 1_000})
    async with open_world(wrap=Calls, **settings, EXECUTIONS_PER_MINUTE="10") as world:
        for number in range(2):
            await send(world, "zap", number)
        counts(world).clear()
        posts, seconds = 0, 20
        for posts in range(1, seconds * 10 + 1):
            assert (await send(world, "zap", posts)).json()["waitReason"] == "spend_limit"
            await world.clock.sleep(0.1)
        assert counts(world)["create"] == posts
        assert counts(world).total() - posts <= 2 * seconds + 2


async def test_zero_is_no_bound(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="0", EXECUTIONS_PER_MINUTE="1") as world:
        for number in range(30):
            await world.accepted(f"cat {number}")


def of_callers(**limits: dict[str, float]) -> dict[str, str]:
    """Settings with limits of callers, and the price that they need."""
    callers = {"CALLER_LIMITS": json.dumps(limits)} if limits else {}
    return {**AUTH, **SPENDING, **callers}


async def send(world: World, caller: str, number: int, *, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {**bearer(caller), **({"Idempotency-Key": key} if key else {})}
    return await world.http.post("/", json={"prompt": f"cat {number}", **SMALL, **fields}, headers=headers)
