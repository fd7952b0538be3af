"""Spend limits, end to end: who waits, until when, what is released, and that no limit is exceeded."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from shared.config import ConfigurationError
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer

PRICE = 0.1
WORKFLOWS = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": PRICE}})
MIDNIGHT = datetime.combine(NOON.date() + timedelta(days=1), datetime.min.time(), UTC)
TOKENS = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("zap", "shop")}


def limits(**settings: Any) -> dict[str, Any]:
    return {"WIREFLOW_WORKFLOWS": WORKFLOWS, **settings}


async def posted_by(world: World, caller: str, count: int) -> list[dict[str, Any]]:
    http = world.caller("127.0.0.1", Authorization=f"Bearer {caller}")
    answers = [await http.post("/", json={"prompt": "a cat", "aspect_ratio": "64:1"}) for _ in range(count)]
    return [answer.json() for answer in answers]


# --- limits of all jobs --------------------------------------------------------------------------------------------


async def test_at_the_daily_limit_jobs_wait_until_midnight(open_world: OpenWorld) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.25")) as world:
        jobs = [(await world.post()).json() for _ in range(3)]
        assert [job["status"] for job in jobs] == ["running", "running", "queued"]
        assert (jobs[2]["waitReason"], moment(jobs[2]["estimatedStartAt"])) == ("spend_limit", MIDNIGHT)
        (last,) = await world.end_of(jobs[2]["id"])
        assert (last["status"], moment(last["startedAt"]) >= MIDNIGHT) == ("succeeded", True)


async def test_a_call_without_a_clear_response_waits_for_the_limit_too_and_says_so(open_world: OpenWorld) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.1")) as world:
        job_id = await world.accepted("a cat [fault:server_error_once]")
        await world.run_for(timedelta(minutes=5))
        job = await world.job(job_id)
        assert (job["status"], job["waitReason"]) == ("triggering", "spend_limit")
        assert moment(job["estimatedStartAt"]) == MIDNIGHT
        assert job["message"].startswith("Wireflow did not confirm whether the run was started. A spend limit")
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)


async def test_ten_minutes_have_a_limit_of_their_own(open_world: OpenWorld) -> None:
    async with open_world(**limits(SPEND_PER_10_MINUTES_USD="0.2")) as world:
        jobs = [(await world.post()).json() for _ in range(4)]
        assert [job["waitReason"] for job in jobs] == [None, None, "spend_limit", "spend_limit"]
        ended = await world.end_of(*(job["id"] for job in jobs))
        starts = sorted(moment(job["startedAt"]) for job in ended)
        assert starts[2] - starts[0] >= timedelta(minutes=10)
        assert starts[3] - NOON < timedelta(minutes=15)


async def test_a_job_that_cannot_start_before_its_deadline_says_so_and_fails(open_world: OpenWorld) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.1")) as world:
        await world.accepted()
        job = (await world.post(deadlineSeconds=3_600)).json()
        assert "cannot start before its deadline" in job["message"]
        assert "deadline" not in (await world.post()).json()["message"]
        (job,) = await world.end_of(job["id"])
        assert (job["errorCode"], job["errorCharged"], job["cost"]["amount"]) == ("spend_limit", "no", 0)


@pytest.mark.parametrize("fault", ["bad_request", "rate_limited_seconds"])
async def test_a_refused_start_is_not_counted(open_world: OpenWorld, fault: str) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.1")) as world:
        await world.post(f"[fault:{fault}]")
        assert (await world.store.read_gate()).budget.total.today == 0


async def test_an_unknown_outcome_stays_reserved(open_world: OpenWorld) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.1", ON_UNKNOWN="hold")) as world:
        (job,) = await world.end_of((await world.post("[fault:server_error]")).json()["id"])
        assert (job["errorCode"], job["cost"]) == ("outcome_unknown", None)
        assert (await world.store.read_gate()).budget.total.today == 100_000


@pytest.mark.parametrize(
    ("settings", "prompt", "today"),
    [({"credits": 25.0}, "a cat", 250_000), ({"credits": 3.0}, "a cat", 30_000), ({}, "[fault:moderation]", 0)],
)
async def test_the_actual_cost_takes_the_place_of_the_estimate(
    open_world: OpenWorld, settings: dict[str, float], prompt: str, today: int
) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.15"), **settings) as world:
        await world.end_of((await world.post(prompt)).json()["id"])
        assert (await world.store.read_gate()).budget.total.today == today
        assert len(world.log("spend_limit")) == (today > 150_000)
        follower = (await world.post()).json()
        assert follower["status"] == ("queued" if today > 50_000 else "running")


@pytest.mark.parametrize(
    "limit", [{"SPEND_PER_10_MINUTES_USD": "0.15"}, {"CALLER_LIMITS": '{"zap": {"usdPerDay": 0.15}}'}]
)
async def test_any_limit_that_an_actual_cost_exceeds_is_logged(open_world: OpenWorld, limit: dict[str, str]) -> None:
    async with open_world(**limits(**limit), **AUTH, credits=25.0) as world:
        await world.http.post("/", json={"prompt": "a cat"}, headers=bearer("zap"))
        await world.run_for(timedelta(minutes=3))
        assert len(world.log("spend_limit")) == 1


# --- limits of a caller --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [{"perDay": 2}, {"usdPerDay": 0.2}, {"usdPerMonth": 0.25}])
async def test_a_caller_at_its_limit_never_holds_up_others(open_world: OpenWorld, own: dict[str, float]) -> None:
    callers = json.dumps({"zap": own})
    settings = limits(CALLER_LIMITS=callers, TRIGGER_TOKENS=json.dumps(TOKENS), EXECUTIONS_PER_MINUTE="6")
    async with open_world(**settings) as world:
        zap = await posted_by(world, "zap", 30)
        shop = await posted_by(world, "shop", 12)
        await world.run_for(timedelta(minutes=5))
        ended = [(await world.record(job["id"])).status for job in shop]
        assert ended == ["succeeded"] * 12
        assert [(await world.record(job["id"])).finished for job in zap].count(True) == 2


async def test_a_caller_at_its_limit_is_told_until_when(open_world: OpenWorld) -> None:
    settings = limits(CALLER_LIMITS='{"zap": {"perDay": 1}}', TRIGGER_TOKENS=json.dumps(TOKENS))
    async with open_world(**settings) as world:
        first, second = await posted_by(world, "zap", 2)
        assert (first["status"], second["waitReason"]) == ("running", "spend_limit")
        assert moment(second["estimatedStartAt"]) == MIDNIGHT
        (other,) = await posted_by(world, "shop", 1)
        assert other["status"] == "running"
        await world.run_for(timedelta(hours=12, minutes=3))
        assert (await world.record(second["id"])).finished


async def test_jobs_of_one_caller_that_are_queued_before_its_limit_do_not_hold_up_others(
    open_world: OpenWorld,
) -> None:
    settings = limits(CALLER_LIMITS='{"zap": {"perDay": 1}}', TRIGGER_TOKENS=json.dumps(TOKENS))
    async with open_world(**settings) as world:
        world.vendor.always("trigger", 503)
        zap = await posted_by(world, "zap", 60)
        world.vendor.reset()
        (shop,) = await posted_by(world, "shop", 1)
        assert shop["status"] == "queued"
        await world.run_for(timedelta(minutes=8))
        assert (await world.record(shop["id"])).finished
        assert [(await world.record(job["id"])).finished for job in zap].count(True) == 1


# --- no limit is exceeded ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_two_instances_with_clock_steps_never_spend_more_than_a_limit(open_world: OpenWorld, seed: int) -> None:
    """Both functions of two instances at once; the clocks of the instances are set, not that of the simulator."""
    random = Random(seed)
    settings = limits(DAILY_SPEND_USD="1.05", SPEND_PER_10_MINUTES_USD="0.5", MONTHLY_SPEND_USD="2.05")
    async with open_world(**settings) as one, open_world(simulator=one.simulator, **settings) as two:
        ids: list[str] = []
        for _ in range(12):
            worlds = [one, two]
            faults = ["", "", "[fault:bad_request]", "[fault:moderation]", "[fault:rate_limited_seconds]"]
            answers = await asyncio.gather(
                *(random.choice(worlds).post(f"{random.choice(faults)} {number}") for number in range(5))
            )
            ids += [answer.json()["id"] for answer in answers]
            world = random.choice(worlds)
            world.clock.step(timedelta(seconds=random.choice([-3_600, -60, 0, 60])))
            await asyncio.gather(one.run_window(), two.run_window())
        gate = await one.store.read_gate()
        paid_for = [run for run in one.simulator.state.runs.all() if "moderation" not in run.prompt]
        assert len(paid_for) * 100_000 <= gate.budget.total.today <= 1_050_000
        assert one.paid >= 5


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"DAILY_SPEND_USD": "5"},
        {"MONTHLY_SPEND_USD": "5"},
        {"SPEND_PER_10_MINUTES_USD": "5"},
        {"CALLER_LIMITS": '{"zap": {"usdPerDay": 1}}'},
        {"CALLER_LIMITS": '{"zap": {"usdPerMonth": 1}}'},
    ],
)
async def test_a_spend_limit_needs_a_price_of_each_workflow(open_world: OpenWorld, setting: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match='"default" has no pricePerImage'):
        async with open_world(**setting):
            pass
    async with open_world(**limits(**setting)) as world:
        assert (await world.post()).status_code == 202


async def test_a_limit_of_starts_needs_no_price(open_world: OpenWorld) -> None:
    async with open_world(CALLER_LIMITS='{"zap": {"perDay": 1, "maxQueued": 5}}') as world:
        assert (await world.post()).status_code == 202


INVALID = (
    *("[]", "5", '{"zap": {}}', '{"zap": {"perday": 1}}', '{"zap": {"perDay": 0}}', '{"zap": {"perDay": true}}'),
    *('{"zap": {"usdPerDay": "1"}}', '{"zap": {"usdPerDay": 1e-9}}', '{"zap": {"usdPerDay": -Infinity}}'),
    *('{"zap": {"usdPerDay": -1e305}}', '{"zap": {"usdPerDay": NaN}}', '{"zap": {"perDay": 1, "perDay": 2}}'),
    json.dumps({str(number): {"perDay": 1} for number in range(201)}),
)


@pytest.mark.parametrize("text", INVALID)
async def test_invalid_limits_of_callers_are_named(open_world: OpenWorld, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CALLER_LIMITS: .*must"):
        async with open_world(CALLER_LIMITS=text):
            pass


@pytest.mark.parametrize("name", ["", "a b", "0" * 64, "form:shop.example", "form:https://shop.example/page"])
async def test_limits_of_what_is_no_caller_are_named(open_world: OpenWorld, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CALLER_LIMITS: entry 2: a name has"):
        async with open_world(CALLER_LIMITS=json.dumps({"zap": {"perDay": 1}, name: {"perDay": 1}})):
            pass


async def test_limits_of_a_caller_may_not_be_repeated(open_world: OpenWorld) -> None:
    with pytest.raises(ConfigurationError, match=r"CALLER_LIMITS: zap: the name appears twice"):
        async with open_world(CALLER_LIMITS='{"zap": {"perDay": 1}, "zap": {"perDay": 500}}'):
            pass


async def test_callers_of_all_kinds_may_have_limits(open_world: OpenWorld) -> None:
    names = ("zap", "event", "form:https://shop.example", "form:http://127.0.0.1:8000")
    async with open_world(CALLER_LIMITS=json.dumps({name: {"perDay": 1} for name in names})) as world:
        assert [*world.deps.config.limits.spending.callers] == [*names]
    async with open_world(CALLER_LIMITS="{}") as world:
        assert not world.deps.config.limits.spending.callers


async def test_the_jobs_of_a_canceled_request_cost_nothing(open_world: OpenWorld) -> None:
    async with open_world(**limits(DAILY_SPEND_USD="0.1")) as world:
        await world.accepted()
        waiting = await world.accepted()
        response: httpx.Response = await world.http.delete(f"/jobs/{waiting}")
        assert response.json()["cost"]["amount"] == 0


# --- what a job is told that cannot start --------------------------------------------------------------------------

DEAR = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.3}})


@pytest.mark.parametrize(
    "limit",
    [
        {"DAILY_SPEND_USD": "0.2"},
        {"MONTHLY_SPEND_USD": "0.2"},
        {"SPEND_PER_10_MINUTES_USD": "0.2"},
        {"CALLER_LIMITS": '{"zap": {"usdPerDay": 0.2}}'},
        {"CALLER_LIMITS": '{"zap": {"usdPerMonth": 0.2}}'},
    ],
)
async def test_a_job_whose_price_is_above_a_limit_says_so(open_world: OpenWorld, limit: dict[str, str]) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=DEAR, TRIGGER_TOKENS=json.dumps(TOKENS), **limit) as world:
        http = world.caller("127.0.0.1", Authorization="Bearer zap")
        first = (await http.post("/", json={"prompt": "a cat", "deadlineSeconds": 7_200})).json()
        rows = (await http.post("/", json=[{"prompt": "a cat"}, {"prompt": "a dog"}])).json()["jobs"]
        await world.run_for(timedelta(minutes=2))
        later = [(await http.get(f"/jobs/{job['id']}")).json() for job in (first, *rows)]
        for job in (first, *rows, *later):
            assert "Its price is above a spend limit." in job["message"]
            assert "cannot start before its deadline" in job["message"]
            assert (job["waitReason"], job["estimatedStartAt"], job["queuePosition"]) == ("spend_limit", None, None)
        await world.run_for(timedelta(hours=2))
        ended = (await http.get(f"/jobs/{first['id']}")).json()
        assert (ended["errorCode"], ended["errorCharged"], world.paid) == ("spend_limit", "no", 0)


async def test_the_page_of_a_job_and_its_visitors_are_told_that_it_is_too_late(open_world: OpenWorld) -> None:
    settings = limits(DAILY_SPEND_USD="0.1", FORM_ORIGINS="https://shop.example")
    async with open_world(**settings) as world:
        visitor = world.caller("127.0.0.1", Origin="https://shop.example")
        await visitor.post("/", json={"prompt": "a cat"})
        late = (await visitor.post("/", json={"prompt": "a cat", "deadlineSeconds": 60})).json()
        in_time = (await visitor.post("/", json={"prompt": "a cat"})).json()
        told = "Unless something changes, it cannot be generated in time."
        assert (told in late["message"], told in in_time["message"]) == (True, False)
        page = await visitor.get(f"/jobs/{late['id']}", headers={"Accept": "text/html"})
        assert told in page.text


async def test_a_queued_job_that_waits_for_a_limit_behind_others_says_that_it_is_a_limit(open_world: OpenWorld) -> None:
    settings = limits(CALLER_LIMITS='{"zap": {"perDay": 3}}', TRIGGER_TOKENS=json.dumps(TOKENS))
    async with open_world(**settings, EXECUTIONS_PER_MINUTE="1") as world:
        jobs = await posted_by(world, "zap", 5)
        assert [job["waitReason"] for job in jobs] == [
            None,
            "rate_limited",
            "rate_limited",
            "spend_limit",
            "spend_limit",
        ]
        assert [moment(job["estimatedStartAt"]) for job in jobs[3:]] == [MIDNIGHT, MIDNIGHT]
