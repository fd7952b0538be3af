"""What a signature covers, what strangers cost, and what they are told."""

import asyncio
import base64
import json
from typing import Any, cast

import pytest
from standardwebhooks import Webhook

from functions.trigger.recently_missing import MAX_NAMES, RecentlyMissing
from functions.trigger.responses.prefer import MAX_WAITS
from shared.ports import JobStore
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer, sha256, submit
from tests.trigger.stand_ins import ManualClock

SIGNING_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
SIGNED = {**AUTH, "TRIGGER_SIGNING_SECRETS": json.dumps({"shop": [SIGNING_SECRET]})}


def signed(world: World, body: str, message_id: str = "order-4711") -> dict[str, str]:
    now = world.clock.now()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SIGNING_SECRET).sign(message_id, now, body),
        "Content-Type": "application/json",
    }


async def test_a_captured_signed_request_creates_no_second_job(open_world: OpenWorld) -> None:
    async with open_world(**SIGNED) as world:
        body = json.dumps({"prompt": "a cat", **SMALL})
        headers = signed(world, body)
        first = await world.http.post("/?", content=body, headers=headers)
        captured = await world.http.post("/", content=body, headers={**headers, "Idempotency-Key": "another"})
        assert (first.status_code, captured.json()["id"]) == (202, first.json()["id"])
        many = "&".join(f"prompts={number}" for number in range(100))
        for query in (many, "idempotencyKey=another", "prompt=a+dog", "partial=true", "not-ours=1", "x", "%20"):
            for beside in ({}, bearer("zap")):
                replayed = await world.http.post(f"/?{query}", content=body, headers={**headers, **beside})
                assert (replayed.status_code, replayed.json()["errorCode"]) == (422, "invalid_field")
        assert world.paid == 1


async def test_a_captured_signed_request_is_no_batch_of_rows(open_world: OpenWorld) -> None:
    async with open_world(**SIGNED) as world:
        body = json.dumps({"prompts": ["a cat", "a dog"], **SMALL})
        headers = signed(world, body)
        assert (await world.http.post("/", content=body, headers=headers)).status_code == 202
        for kind in ("application/json", "text/csv"):
            replayed = await world.http.post("/batches", content=body, headers={**headers, "Content-Type": kind})
            assert (replayed.status_code, replayed.json()["errorCode"]) == (403, "forbidden")
            assert "POST /" in replayed.json()["detail"]


async def test_an_event_may_have_defaults_in_its_query(open_world: OpenWorld) -> None:
    """Neither its token nor any other covers the body, so a query string adds nothing to what its holder can do."""
    event = {"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0", "ce-type": "t", **bearer("zap")}
    async with open_world(**AUTH) as world:
        response = await world.http.post("/?prompt=a+cat", json={**SMALL}, headers=event)
        assert (response.status_code, response.json()["prompt"]) == (202, "a cat")


async def test_a_job_of_a_signed_request_is_read_by_its_id_and_canceled_with_a_token(open_world: OpenWorld) -> None:
    tokens = {**json.loads(AUTH["TRIGGER_TOKENS"]), "shop": sha256("shop-token")}
    limit = {"EXECUTIONS_PER_MINUTE": "1", "TRIGGER_TOKENS": json.dumps(tokens)}
    async with open_world(**{**SIGNED, **limit}) as world:
        body = json.dumps({"prompt": "a cat", **SMALL})
        made = [
            (await world.http.post("/", content=body, headers=signed(world, body, f"order-{number}"))).json()
            for number in range(3)
        ]
        path = f"/jobs/{made[-1]['id']}"
        assert [job["caller"] for job in made] == ["shop"] * 3
        assert (await world.http.get(path)).json()["status"] == "queued"
        assert (await world.http.get(path, headers=bearer("zap"))).status_code == 200
        by_signature, shop = signed(world, "", "read-1"), {"Authorization": "Bearer shop-token"}
        assert (await world.http.get(path, headers=by_signature)).status_code == 200
        for headers, status in (({}, 401), (by_signature, 401), (bearer("zap"), 403)):
            assert (await world.http.delete(path, headers=headers)).status_code == status
            listed = await world.http.get("/jobs", headers=headers)
            assert (listed.status_code, listed.json().get("jobs")) == ((200, []) if status == 403 else (401, None))
        assert len((await world.http.get("/jobs", headers=shop)).json()["jobs"]) == 3
        assert (await world.http.delete(path, headers=shop)).json()["status"] == "canceled"
        other = f"/jobs/{made[-2]['id']}"
        assert (await world.http.delete(other, headers=bearer("admin"))).json()["status"] == "canceled"


# --- bounds for strangers ------------------------------------------------------------------------------------------


async def test_no_more_than_a_few_requests_wait_at_once(world: World) -> None:
    job_id = await world.accepted()
    began = world.clock.now()

    async def wait(path: str) -> tuple[str | None, float]:
        response = await world.http.get(path, headers={"Prefer": "wait=10"})
        return response.headers.get("preference-applied"), (world.clock.now() - began).total_seconds()

    images = asyncio.gather(*(wait(f"/jobs/{job_id}/image") for _ in range(MAX_WAITS // 2)))
    jobs = await asyncio.gather(*(wait(f"/jobs/{job_id}") for _ in range(MAX_WAITS)))
    assert jobs.count(("wait=10", 10.0)) == jobs.count((None, 0.0)) == MAX_WAITS // 2
    assert {seconds for _, seconds in await images} == {10.0}
    again = await world.http.post("/", json={"prompt": "a dog", **SMALL}, headers={"Prefer": "wait=2"})
    assert again.headers["preference-applied"] == "wait=2"  # those before have ended


async def test_a_caller_that_hangs_up_waits_no_longer(world: World) -> None:
    job_id = await world.accepted()
    for _ in range(2 * MAX_WAITS):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await world.http.get(f"/jobs/{job_id}", headers={"Prefer": "wait=10"})
    response = await world.http.get(f"/jobs/{job_id}", headers={"Prefer": "wait=1"})
    assert response.headers["preference-applied"] == "wait=1"


async def test_a_final_job_waits_for_nothing_and_takes_no_place(world: World) -> None:
    final, running = await world.accepted(), None
    await world.end_of(final)
    running = await world.accepted("a dog")
    waits = [world.http.get(f"/jobs/{running}", headers={"Prefer": "wait=10"}) for _ in range(MAX_WAITS)]
    others = asyncio.gather(*waits)
    await asyncio.sleep(1)
    response = await world.http.get(f"/jobs/{final}", headers={"Prefer": "wait=10"})
    assert response.headers["preference-applied"] == "wait=10"
    await others


async def test_an_unknown_image_is_looked_up_once_in_some_seconds(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def counted(store: Any, name: str) -> Any:
        look_up = getattr(store, name)

        async def call(job_id: str) -> Any:
            looked_up.append(name)
            return await look_up(job_id)

        monkeypatch.setattr(store, name, call)
        return store

    async with open_world(wrap=lambda store: cast("JobStore", counted(store, "get"))) as world:
        counted(world.deps.images, "names")
        unknown = f"/jobs/{'0' * 32}/image"
        for path in [unknown, f"{unknown}/0", f"{unknown}/7"] * 10:
            assert (await world.http.get(path, headers={"Prefer": "wait=25"})).status_code == 404
        assert looked_up == ["get", "names"]
        assert (await world.http.get(f"/jobs/{'1' * 32}/image")).status_code == 404
        assert looked_up == ["get", "names"] * 2
        await world.clock.sleep(5)
        await world.http.get(unknown)
        assert looked_up == ["get", "names"] * 3


def test_what_is_missing_is_remembered_in_bounded_memory() -> None:
    clock = ManualClock()
    missing = RecentlyMissing(clock)
    for number in range(MAX_NAMES + 1):
        missing.add(str(number))
    assert ("0" in missing, "1" in missing, str(MAX_NAMES) in missing) == (False, True, True)
    clock.later(4.9)
    assert "1" in missing
    clock.later(-3_600)  # the clock steps back
    assert "1" not in missing


# --- what strangers are told ---------------------------------------------------------------------------------------


async def test_strangers_learn_no_name_of_a_workflow(open_world: OpenWorld) -> None:
    secret_name = "unreleased-campaign"
    workflows = {secret_name: {"mode": "webhook", "id": "another-hook"}}
    async with open_world(**SIGNED, WIREFLOW_WORKFLOWS=json.dumps(workflows)) as world:
        for headers, is_shown in (
            ({}, False),
            ({"Origin": SHOP}, False),
            (bearer("zap"), True),
            (signed(world, ""), True),
        ):
            document = await world.http.get("/openapi.json", headers=headers)
            assert (document.status_code, secret_name in document.text) == (200, is_shown)
            assert "private" in document.headers["cache-control"]
            listed = await world.http.get("/workflows", headers=headers)
            assert (listed.status_code == 200, secret_name in listed.text) == (is_shown, is_shown)
        assert (await world.http.get("/openapi.json", headers={"Authorization": "Bearer x"})).status_code == 401
        for headers, is_shown in (({"Origin": SHOP}, False), (bearer("zap"), True)):
            refused = await submit(world, headers, workflow="guess")
            assert (refused.status_code, refused.json()["field"]) == (422, "workflow")
            assert (secret_name in refused.text) is is_shown


async def test_a_local_run_shows_its_workflows_to_this_machine_only(world: World) -> None:
    assert '"Request.default"' in (await world.http.get("/openapi.json")).text
    for stranger in (world.caller("203.0.113.9"), world.caller("127.0.0.1", Via="1.1 tunnel")):
        document = await stranger.get("/openapi.json")
        assert (document.status_code, "Request.default" in document.text) == (200, False)


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 x"}, {"Host": "images.test"}],
    ids=str,
)
async def test_a_tunnel_does_not_make_the_world_this_machine(world: World, headers: dict[str, str]) -> None:
    job_id = await world.accepted()
    responses = [
        await world.http.post("/", json={"prompt": "a cat"}, headers=headers),
        await world.http.get("/jobs", headers=headers),
        await world.http.get("/workflows", headers=headers),
        await world.http.delete(f"/jobs/{job_id}", headers=headers),
    ]
    assert [response.status_code for response in responses] == [403] * 4
    assert world.paid == 1
