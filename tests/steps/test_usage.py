"""The usage: by caller, workflow, and day; open days from their jobs, closed days from their document."""

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from shared.ports import JobStore
from shared.runtime import usage_days
from shared.runtime.usage_days import AT_ONCE, UsageDays
from shared.spending.usage import GroupBy
from shared.steps.usage import Period, read_usage
from tests.harness.counting import WatchedJobs
from tests.harness.virtual_time import NOON
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

ENTRY = {"mode": "webhook", "id": "demo-webhook"}
WORKFLOWS = json.dumps({"default": {**ENTRY, "pricePerImage": 0.1}, "other": {**ENTRY, "pricePerImage": 0.25}})
SHA = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("zap", "shop", "boss")}
TOKENS = json.dumps({**SHA, "boss": {"sha256": SHA["boss"], "admin": True}})
SETTINGS = {"WIREFLOW_WORKFLOWS": WORKFLOWS, "TRIGGER_TOKENS": TOKENS}
TODAY = NOON.date().isoformat()
DAY = {"from": TODAY, "to": TODAY}


async def send(world: World, caller: str, prompt: str = "a cat", **fields: Any) -> None:
    http = world.caller("127.0.0.1", Authorization=f"Bearer {caller}")
    answer = await http.post("/", json={"prompt": prompt, "aspect_ratio": "64:1", **fields})
    assert answer.status_code == 202


async def read(world: World, caller: str = "boss", **query: str) -> dict[str, Any]:
    http = world.caller("127.0.0.1", Authorization=f"Bearer {caller}")
    answer = await http.get("/usage", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def a_day_of_jobs(world: World) -> None:
    await send(world, "zap")
    await send(world, "zap", "two", count=2)
    await send(world, "shop", workflow="other")
    await send(world, "shop", "[fault:moderation]")
    await send(world, "shop", "[fault:cancelled]")
    await world.run_for(timedelta(minutes=3))


async def test_rows_have_the_jobs_images_and_costs(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        found = await read(world, groupBy="caller")
        first = NOON.date().replace(day=1).isoformat()
        assert {name: found[name] for name in ("from", "to", "groupBy")} == {
            "from": first,
            "to": TODAY,
            "groupBy": "caller",
        }
        shop, zap = found["rows"]
        assert list(shop) == "key jobs images cost failedCharged failedUncharged failedUnknown".split()
        assert zap == {
            "key": "zap",
            "jobs": 2,
            "images": 3,
            "cost": {"amount": 0.3, "currency": "USD", "source": "price"},
            "failedCharged": 0,
            "failedUncharged": 0,
            "failedUnknown": 0,
        }
        assert (shop["jobs"], shop["images"], shop["cost"]["amount"]) == (3, 1, 0.25)
        assert (shop["failedUncharged"], shop["failedUnknown"]) == (1, 1)
        by_workflow = {row["key"]: row["jobs"] for row in (await read(world, groupBy="workflow"))["rows"]}
        assert by_workflow == {"default": 4, "other": 1}
        assert [(row["key"], row["jobs"]) for row in (await read(world))["rows"]] == [(TODAY, 5)]


async def test_a_caller_sees_its_own_jobs_only(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        assert [row["key"] for row in (await read(world, "zap", groupBy="caller"))["rows"]] == ["zap"]
        assert (await world.http.get("/usage")).status_code == 401


async def test_an_open_day_is_computed_at_most_once_a_minute(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs, **SETTINGS) as world:
        await send(world, "zap")
        await read(world, **{"from": TODAY})
        world.store.reset()
        assert (await read(world, **{"from": TODAY}))["rows"][0]["jobs"] == 1
        assert world.store.reads == 0
        await send(world, "zap")
        await world.clock.sleep(61)
        assert (await read(world, **{"from": TODAY}))["rows"][0]["jobs"] == 2


class Concurrency:
    """A store whose calls take a second. `most`: calls at the same time."""

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner
        self.calls = self.running = self.most = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(1)
            try:
                return await method(*args, **kwargs)
            finally:
                self.running -= 1

        return call


async def test_the_days_of_a_year_are_read_at_the_same_time_but_only_so_many(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        await world.run_for(timedelta(hours=14))
        await send(world, "zap")
        today = world.clock.now().date()
        year = Period(today - timedelta(days=365), today)
        slow = Concurrency(world.store)
        began = world.clock.monotonic()
        deps = replace(world.deps, usage_days=UsageDays(cast(JobStore, slow), world.clock))
        rows = (await read_usage(year, GroupBy.DAY, None, deps))["rows"]
        assert [(row["key"], row["jobs"]) for row in rows] == [(TODAY, 5), (today.isoformat(), 1)]
        assert slow.most == AT_ONCE
        assert world.clock.monotonic() - began < 2 * slow.calls / AT_ONCE


async def test_a_day_with_more_jobs_than_are_read_at_once_is_summed_up(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        (whole,) = await world.deps.usage_days.read([NOON.date()])
        monkeypatch.setattr(usage_days, "PAGE", 2)
        assert await UsageDays(world.store, world.clock).read([NOON.date()]) == [whole]


async def test_the_poller_stores_each_day_that_is_over_and_a_repeat_stores_the_same(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        before = await read(world, groupBy="caller", **{"from": TODAY, "to": TODAY})
        assert await world.store.read_usage(TODAY) is None
        await world.run_for(timedelta(hours=14))
        stored = await world.store.read_usage(TODAY)
        assert stored
        async with open_world(simulator=world.simulator, **SETTINGS) as other:
            await other.run_for(timedelta(hours=1))
        assert await world.store.read_usage(TODAY) == stored
        assert await read(world, groupBy="caller", **{"from": TODAY, "to": TODAY}) == before
        tomorrow = (NOON.date() + timedelta(days=1)).isoformat()
        assert await world.store.read_usage(tomorrow) is None


async def test_a_retry_is_counted_although_its_day_was_closed(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        world.vendor.answer("cdn", lambda _call: httpx.Response(200, content=b"PK, an archive"))
        http = world.caller("127.0.0.1", Authorization="Bearer zap")
        job_id = (await http.post("/", json={"prompt": "a cat"})).json()["id"]
        await world.run_for(timedelta(days=20), every=timedelta(minutes=10))
        before = await read(world, groupBy="day", **{"from": TODAY, "to": TODAY})
        assert await world.store.read_usage(TODAY)
        world.vendor.reset()
        response = await http.post(f"/jobs/{job_id}/retry", json={"confirm": True, "attempt": 1})
        assert response.status_code == 202
        for _ in range(2):  # from the job, then from the day that was closed again
            await world.run_for(timedelta(hours=3))
            after = await read(world, groupBy="day", **{"from": TODAY, "to": TODAY})
            (old,), (new,) = before["rows"], after["rows"]
            assert (old["images"], new["images"], old["jobs"], new["jobs"]) == (0, 1, 1, 1)
            assert old["key"] == new["key"] == TODAY
            assert new["cost"]["amount"] == 2 * old["cost"]["amount"] > 0
        assert await world.store.read_usage(f"{TODAY}.1")


async def test_an_erased_job_is_counted_as_before(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await a_day_of_jobs(world)
        before = await read(world, groupBy="caller", **DAY)
        boss = world.caller("127.0.0.1", Authorization="Bearer boss")
        for job in (await boss.get("/jobs")).json()["jobs"]:
            answer = await boss.delete(f"/jobs/{job['id']}?erase=true")
            assert answer.status_code == 204, answer.text
        await world.run_for(timedelta(minutes=3))
        assert await read(world, groupBy="caller", **DAY) == before
        await world.run_for(timedelta(hours=14))
        assert await world.store.read_usage(TODAY)
        assert await read(world, groupBy="caller", **DAY) == before


@pytest.mark.parametrize(
    ("query", "period", "jobs"),
    [
        ({"from": TODAY}, (TODAY, TODAY), 1),
        ({"from": TODAY, "to": "2027-03-02"}, (TODAY, "2027-03-02"), 1),
        ({"to": "2026-04-05"}, ("2026-04-01", "2026-04-05"), 0),
        ({"from": "2026-03-01", "to": "2026-03-01"}, ("2026-03-01", "2026-03-01"), 0),
        ({"from": "", "to": ""}, ("2026-03-01", TODAY), 1),
        ({"from": "0001-01-01", "to": "0001-01-02"}, ("0001-01-01", "0001-01-02"), 0),
        ({"from": "9999-12-31", "to": "9999-12-31"}, ("9999-12-31", "9999-12-31"), 0),
    ],
)
async def test_both_days_of_a_period_are_included_and_future_days_have_no_rows(
    open_world: OpenWorld, query: dict[str, str], period: tuple[str, str], jobs: int
) -> None:
    async with open_world(**SETTINGS) as world:
        await send(world, "zap")
        found = await read(world, **query)
        assert (found["from"], found["to"]) == period
        assert sum(row["jobs"] for row in found["rows"]) == jobs


async def test_a_job_belongs_to_its_day_in_utc(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS, now=NOON.replace(hour=23, minute=59, second=59)) as world:
        await send(world, "zap")
        await world.clock.sleep(1)
        await send(world, "zap")
        await world.run_for(timedelta(hours=16))
        rows = (await read(world, **{"from": TODAY}))["rows"]
        tomorrow = (NOON.date() + timedelta(days=1)).isoformat()
        assert [(row["key"], row["jobs"], row["images"]) for row in rows] == [(TODAY, 1, 1), (tomorrow, 1, 1)]
        assert await world.store.read_usage(TODAY), "the first day is closed"


async def test_a_day_is_not_stored_while_one_of_its_jobs_may_change(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS, DAILY_EXECUTIONS="1", EXECUTIONS_PER_MINUTE="10") as world:
        for _ in range(3):
            await send(world, "zap")
        await world.run_for(timedelta(hours=14))
        assert await world.store.read_usage(TODAY) is None
        await world.run_for(timedelta(hours=26))
        stored = await world.store.read_usage(TODAY)
        assert stored
        assert [tally.images for tally in stored.tallies.values()] == [3]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"groupBy": "month"}, "groupBy"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, "from"),
        ({"from": "2026-03-02T00:00:00Z"}, "from"),
        ({"from": "2026-04-01"}, "from"),
    ],
)
async def test_an_invalid_query_is_422(world: World, query: dict[str, str], field: str) -> None:
    answer = await world.http.get("/usage", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
