"""`dryRun`: everything is validated and quoted, nothing is stored or paid."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.steps import control
from shared.steps.batch_progress import RUN_SECONDS
from tests.harness.virtual_time import NOON
from tests.harness.world import SMALL, World, moment
from tests.steps.conftest import OpenWorld

ENTRY = {"mode": "webhook", "id": "demo-webhook"}
PRICED = json.dumps({"default": {**ENTRY, "pricePerImage": 0.13}, "dear": {**ENTRY, "pricePerImage": 0.24}})
TOKENS = json.dumps({"zap": hashlib.sha256(b"zap").hexdigest()})
BEARER = {"Authorization": "Bearer zap"}
FIELDS = "dryRun count workflow estimatedCost startsNow waitReason estimatedStartAt queuePosition".split()


async def quoted(world: World, json: Any = None, url: str = "/", **request: Any) -> dict[str, Any]:
    before = await stored(world)
    answer = await world.http.post(url, json=json, **request)
    assert answer.status_code == 200, answer.text
    assert await stored(world) == before
    assert list(answer.json()) == FIELDS
    return dict(answer.json())


async def stored(world: World) -> tuple[int, object, int]:
    jobs = (await world.http.get("/jobs", headers=BEARER)).json()["jobs"]
    return len(jobs), await world.store.read_gate(), len(world.vendor.to("trigger"))


async def test_a_quote_has_the_price_and_says_that_the_job_would_start(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        quote = await quoted(world, {"prompt": "a cat", "dryRun": True})
        cost = {"amount": 0.13, "currency": "USD", "source": "price"}
        assert list(quote.values()) == [True, 1, "default", cost, True, None, None, None]


async def test_every_way_in_can_ask_for_a_quote(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        assert (await quoted(world, {"prompt": "a cat"}, "/?dryRun=true"))["count"] == 1
        assert (await quoted(world, data={"prompt": "a cat", "dryRun": "on"}))["count"] == 1
        file = {
            "image1": ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
            "dryRun": (None, "1"),
            "prompt": (None, "a cat"),
        }
        assert (await quoted(world, files=file))["startsNow"] is False
        assert await world.deps.images.names("") == []
        assert (await world.post(dryRun=False)).status_code == 202


async def test_a_quote_says_what_the_job_would_wait_for_and_its_position(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, DAILY_SPEND_USD="0.13") as world:
        for _ in range(3):
            await world.accepted()
        quote = await quoted(world, {"prompt": "a cat", "dryRun": True})
        assert (quote["startsNow"], quote["waitReason"], quote["queuePosition"]) == (False, "spend_limit", 3)
        midnight = datetime.combine(NOON.date(), datetime.min.time(), UTC) + timedelta(days=3)
        assert moment(quote["estimatedStartAt"]) == midnight
        assert await quoted(world, {"prompt": "a cat", "dryRun": True}) == quote, "no place was taken"


async def test_a_batch_is_quoted_as_a_whole(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, TRIGGER_TOKENS=TOKENS) as world:
        batch = {"prompts": ["a cat", {"prompt": "a dog", "workflow": "dear"}], "dryRun": True}
        quote = await quoted(world, batch, headers=BEARER)
        assert (quote["count"], quote["workflow"], quote["estimatedCost"]["amount"]) == (2, None, 0.37)
        assert (await quoted(world, ["a", "b"], "/?dryRun=1", headers=BEARER))["count"] == 2
        partial = await quoted(world, ["a", {"prompt": ""}], "/?dryRun=1&partial=true", headers=BEARER)
        assert (partial["count"], partial["workflow"]) == (1, "default")
        answer = await world.http.post("/", json=["a", {"prompt": "b", "dryRun": True}], headers=BEARER)
        assert (answer.status_code, answer.json()["field"]) == (422, "[1].dryRun")


@pytest.mark.parametrize(("wake_ups", "seconds"), [(True, 5), (False, 60)])
async def test_an_upload_ends_a_run_after_the_next_call_of_the_poller(
    open_world: OpenWorld, wake_ups: bool, seconds: int
) -> None:
    async with open_world(wake_ups=wake_ups) as world:
        response = await world.http.post("/batches?dryRun=true", json=["a cat", "a dog"])
        start, end = (moment(response.json()[name]) for name in ("estimatedStartAt", "estimatedEndAt"))
        assert start == world.clock.now() + timedelta(seconds=seconds)
        assert end == start + timedelta(seconds=RUN_SECONDS)


async def test_the_end_of_an_upload_is_not_known_during_a_pause(world: World) -> None:
    await control.pause(world.deps)
    quote = (await world.http.post("/batches?dryRun=true", json=["a cat"])).json()
    assert (quote["waitReason"], quote["estimatedStartAt"], quote["estimatedEndAt"]) == ("paused", None, None)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"prompt": ""}, 422),
        ({"workflow": "unknown"}, 422),
        ({"image1": "ftp://a.example/b.png"}, 422),
        ({"fromJob": "0" * 32}, 404),
        ({"dryRun": "perhaps"}, 422),
        ({"deadlineSeconds": 0}, 422),
    ],
)
async def test_what_would_be_rejected_is_rejected(world: World, fields: dict[str, Any], status: int) -> None:
    answer = await world.http.post("/", json={"prompt": "a cat", "dryRun": True, **fields})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_quote_is_the_same_request_as_the_job(world: World) -> None:
    assert (await world.post(key="k", dryRun=True)).json()["count"] == 1
    job = await world.post(key="k")
    assert job.status_code == 202
    assert (await world.post(key="k", dryRun=True)).json()["count"] == 0
    assert (await world.post("another prompt", key="k", dryRun=True)).json()["errorCode"] == "idempotency_key_reused"
    assert json.loads(world.vendor.to("trigger")[0].request.content).keys() == {"prompt", "aspect_ratio"}
    assert "estimatedCost" in job.json()


async def test_without_a_price_the_cost_is_not_known(world: World) -> None:
    assert (await world.post(dryRun=True)).json()["estimatedCost"] is None


async def differs_from_post(world: World, url: str, body: Any, **request: Any) -> tuple[int, dict[str, Any]]:
    """Return the status and the problem of a quote, which must be those of the request itself."""
    before = await stored(world)
    separator = "&" if "?" in url else "?"
    quote = await world.http.post(f"{url}{separator}dryRun=true", json=body, headers=BEARER, **request)
    assert await stored(world) == before
    answer = await world.http.post(url, json=body, headers=BEARER, **request)
    assert (quote.status_code, quote.json()) == (answer.status_code, answer.json())
    assert quote.headers.get("Retry-After") == answer.headers.get("Retry-After")
    return answer.status_code, answer.json()


@pytest.mark.parametrize("bound", [{"MAX_QUEUED_JOBS": "2"}, {"CALLER_LIMITS": '{"zap": {"maxQueued": 2}}'}])
async def test_a_quote_beyond_the_bound_of_the_queue_is_rejected_as_the_job_is(
    open_world: OpenWorld, bound: dict[str, str]
) -> None:
    async with open_world(
        WIREFLOW_WORKFLOWS=PRICED, TRIGGER_TOKENS=TOKENS, EXECUTIONS_PER_MINUTE="1", **bound
    ) as world:
        key = BEARER | {"Idempotency-Key": "k"}
        for _ in range(2):
            await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=BEARER)
        await world.http.post("/", json={"prompt": "the last one", **SMALL}, headers=key)
        cat = {"prompt": "a cat", **SMALL}
        for url, body in [("/", cat), ("/", [cat, cat]), ("/?partial=true", [cat, {"prompt": ""}])]:
            status, problem = await differs_from_post(world, url, body)
            assert (status, problem["errorCode"]) == (429, "rate_limited")
        assert await differs_from_post(world, "/", {**cat, "fromJob": "0" * 32}) == (429, problem)
        rows = b"prompt\na cat\n"
        upload = {"headers": {**BEARER, "Content-Type": "text/csv", "Idempotency-Key": "rows"}, "content": rows}
        quote = await world.http.post("/batches?dryRun=true", **upload)
        assert (quote.status_code, quote.json()) == (429, problem)
        repeated = await world.http.post("/?dryRun=true", json={"prompt": "the last one", **SMALL}, headers=key)
        assert repeated.json()["count"] == 0


async def test_a_quote_of_a_job_that_would_start_needs_no_room_in_the_queue(open_world: OpenWorld) -> None:
    settings = {"WIREFLOW_WORKFLOWS": PRICED, "TRIGGER_TOKENS": TOKENS, "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(**settings, MAX_QUEUED_JOBS="1") as world:
        assert (await quoted(world, {"prompt": "a cat", "dryRun": True}, headers=BEARER))["startsNow"]
        two = {"prompts": ["a cat", "a dog"], "dryRun": True}
        assert (await world.http.post("/", json=two, headers=BEARER)).status_code == 429


async def test_a_quote_says_that_the_job_starts_only_if_it_would_start_on_arrival(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10") as world:
        for status in ("running", "queued"):
            quote = await quoted(world, {"prompt": "a cat", "dryRun": True})
            job = (await world.post()).json()
            assert (quote["startsNow"], job["status"]) == (status == "running", status)


async def test_a_quote_above_a_limit_has_no_start_as_the_job_has_none(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, DAILY_SPEND_USD="0.2") as world:
        quote = await quoted(world, {"prompt": "a cat", "workflow": "dear", "dryRun": True})
        job = (await world.post(workflow="dear")).json()
        for told in (quote, job):
            assert (told["waitReason"], told["estimatedStartAt"], told["queuePosition"]) == ("spend_limit", None, None)


async def test_a_quote_of_a_caller_at_its_limit_is_that_of_the_job(open_world: OpenWorld) -> None:
    settings = {"WIREFLOW_WORKFLOWS": PRICED, "TRIGGER_TOKENS": TOKENS, "CALLER_LIMITS": '{"zap": {"perDay": 2}}'}
    async with open_world(**settings) as world:
        told = ("waitReason", "estimatedStartAt", "queuePosition")
        for number in range(7):
            quote = await quoted(world, {"prompt": "a cat", "dryRun": True}, headers=BEARER)
            job = (await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=BEARER)).json()
            assert [quote[name] for name in told] == [job[name] for name in told]
            midnight = datetime.combine(NOON.date(), datetime.min.time(), UTC) + timedelta(days=number // 2)
            assert number < 2 or moment(job["estimatedStartAt"]) == midnight
