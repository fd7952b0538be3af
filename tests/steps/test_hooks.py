"""`/hooks`: who may make, see, rotate, and delete which; `GET /jobs?flat=true`."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.hooks import MAX_HOOKS
from shared.notifications.message import Message, body_of, headers_of
from shared.notifications.signing import key_of, new_secret
from shared.public_job import timestamp
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer, submit

URL = "https://hooks.test/catch?key=1"
SIGNING = new_secret(b"s" * 32)
EVENTS = ["image.completed", "image.failed", "image.canceled"]
WORKFLOWS = json.dumps({"pro": {"mode": "webhook", "id": "another-webhook"}})


@pytest.fixture
async def guarded(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(**AUTH, WIREFLOW_WORKFLOWS=WORKFLOWS) as opened:
        yield opened


async def create(world: World, caller: str = "zap", **fields: Any) -> httpx.Response:
    return await world.http.post("/hooks", json={"hookUrl": URL, **fields}, headers=bearer(caller))


async def created(world: World, caller: str = "zap", **fields: Any) -> dict[str, Any]:
    response = await create(world, caller, **fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def get(world: World, path: str, caller: str = "zap") -> httpx.Response:
    return await world.http.get(path, headers=bearer(caller))


# --- creating ------------------------------------------------------------------------------------------------------


async def test_a_hook_is_created_with_its_secret(guarded: World):
    response = await create(guarded)
    hook = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/hooks/{hook['id']}"
    assert response.headers["cache-control"] == "private, no-store"
    assert len(key_of(hook.pop("secret"))) == 32
    created_at = hook.pop("createdAt")
    assert created_at == timestamp(guarded.clock.now())
    assert hook == {
        "id": hook["id"],
        "hookUrl": URL,
        "events": EVENTS,
        "workflow": None,
        "format": "standard",
        "status": "active",
    }


async def test_two_hooks_have_two_secrets(guarded: World):
    first, second = await created(guarded), await created(guarded)
    assert first["id"] != second["id"]
    assert first["secret"] != second["secret"]


@pytest.mark.parametrize("alias", ["targetUrl", "target_url", "url"])
async def test_a_hook_made_by_an_alias_is_flat_by_default(alias: str, guarded: World):
    for fields, format in (({}, "flat"), ({"format": "standard"}, "standard"), ({"hookUrl": URL}, "standard")):
        sent = {alias: URL, **fields}
        response = await guarded.http.post("/hooks", json=sent, headers=bearer("zap"))
        assert (response.status_code, response.json()["format"]) == (201, format)
        assert response.json()["hookUrl"] == URL


async def test_a_hook_is_created_as_it_is_described(guarded: World):
    hook = await created(
        guarded, events=["image.failed", "image.completed", "image.failed"], workflow="pro", format="flat"
    )
    assert (hook["events"], hook["workflow"], hook["format"]) == (["image.completed", "image.failed"], "pro", "flat")


async def test_what_is_null_or_empty_counts_as_not_sent(guarded: World):
    hook = await created(guarded, events=None, workflow="", format=None, targetUrl="", url=None)
    assert (hook["events"], hook["workflow"], hook["format"]) == (EVENTS, None, "standard")


async def test_a_form_creates_a_hook(guarded: World):
    sent = {"target_url": URL, "events": ["image.failed", "image.canceled"]}
    response = await guarded.http.post("/hooks", data=sent, headers=bearer("zap"))
    assert (response.status_code, response.json()["events"]) == (201, sent["events"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "hookUrl"),
        ({"hookUrl": None}, "hookUrl"),
        ({"hookUrl": 7}, "hookUrl"),
        ({"hookUrl": "http://hooks.test/"}, "hookUrl"),
        ({"hookUrl": "https://hooks.test:8443/"}, "hookUrl"),
        ({"hookUrl": "https://10.0.0.7/"}, "hookUrl"),
        ({"hookUrl": "https://169.254.169.254/"}, "hookUrl"),
        ({"hookUrl": "https://user:password@hooks.test/"}, "hookUrl"),
        ({"hookUrl": "https://hooks.test/" + "x" * 2_048}, "hookUrl"),
        ({"url": "ftp://hooks.test/"}, "url"),
        ({"hookUrl": URL, "targetUrl": "https://other.test/"}, "targetUrl"),
        ({"hookUrl": URL, "events": []}, "events"),
        ({"hookUrl": URL, "events": ["image.done"]}, "events"),
        ({"hookUrl": URL, "events": [["image.failed"]]}, "events"),
        ({"hookUrl": URL, "events": {"image.failed": True}}, "events"),
        ({"hookUrl": URL, "workflow": "unknown"}, "workflow"),
        ({"hookUrl": URL, "workflow": ["pro"]}, "workflow"),
        ({"hookUrl": URL, "format": "xml"}, "format"),
        ({"hookUrl": URL, "format": ["flat"]}, "format"),
        ({"hookUrl": URL, "event": "image.failed"}, "event"),
        ({"hookUrl": URL, "token": "zap-token"}, "token"),
        ([{"hookUrl": URL}], None),
    ],
)
async def test_an_invalid_hook_is_rejected_by_its_field(body: Any, field: str | None, guarded: World):
    response = await guarded.http.post("/hooks", json=body, headers=bearer("zap"))
    assert response.status_code == 422, response.text
    assert response.json().get("field") == field
    assert (await get(guarded, "/hooks")).json() == {"hooks": []}


async def test_a_local_receiver_must_be_listed(open_world: OpenWorld):
    async with open_world(CALLBACK_HOSTS="localhost", ALLOW_PRIVATE_NETWORK="true") as world:
        for url, status in (("http://localhost:8090/_receivers/live/a", 201), ("http://127.0.0.1:8090/", 422)):
            assert (await world.http.post("/hooks", json={"hookUrl": url})).status_code == status


async def test_a_body_that_cannot_be_read_is_rejected(guarded: World):
    for content, headers, status in (
        (b"{", {"Content-Type": "application/json"}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * 600_000, {"Content-Type": "application/json"}, 413),
    ):
        response = await guarded.http.post("/hooks", content=content, headers={**bearer("zap"), **headers})
        assert response.status_code == status


async def test_the_number_of_hooks_of_a_caller_is_bounded(guarded: World):
    hooks = await asyncio.gather(*(created(guarded) for _ in range(MAX_HOOKS)))
    response = await create(guarded)
    assert response.status_code == 403
    assert "DELETE /hooks/{id}" in response.json()["detail"]
    await created(guarded, "ci")
    await guarded.http.delete(f"/hooks/{hooks[0]['id']}", headers=bearer("zap"))
    await created(guarded)


# --- who may -------------------------------------------------------------------------------------------------------


async def test_a_caller_sees_its_own_hooks_without_their_secrets(guarded: World):
    mine = await created(guarded)
    await guarded.clock.sleep(1)
    newer = await created(guarded, format="flat")
    theirs = await created(guarded, "ci")
    admins = await created(guarded, "admin")
    shown = [{name: value for name, value in hook.items() if name != "secret"} for hook in (mine, newer)]
    assert (await get(guarded, "/hooks")).json() == {"hooks": shown}
    assert (await get(guarded, f"/hooks/{mine['id']}")).json() == shown[0]
    assert [hook["id"] for hook in (await get(guarded, "/hooks", "admin")).json()["hooks"]] == [admins["id"]]
    for other in (theirs, admins):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/secret")):
            response = await guarded.http.request(method, f"/hooks/{other['id']}{path}", headers=bearer("zap"))
            assert (response.status_code, response.json()["errorCode"]) == (404, "not_found")
    assert (await get(guarded, f"/hooks/{theirs['id']}", "ci")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer unknown"}, 401), ({"Origin": SHOP}, 401)],
    ids=["no credential", "unknown token", "page"],
)
async def test_only_tokens_have_hooks(headers: dict[str, str], status: int, guarded: World):
    hook = await created(guarded)
    for method, path in (
        *(("POST", "/hooks"), ("GET", "/hooks"), ("GET", f"/hooks/{hook['id']}")),
        *(("DELETE", f"/hooks/{hook['id']}"), ("POST", f"/hooks/{hook['id']}/secret")),
    ):
        response = await guarded.http.request(method, path, headers=headers)
        assert (response.status_code, response.json()["errorCode"]) == (status, "unauthorized")
    assert (await get(guarded, f"/hooks/{hook['id']}")).status_code == 200


async def test_without_authentication_a_local_caller_has_hooks(world: World):
    response = await world.http.post("/hooks", json={"hookUrl": URL})
    assert response.status_code == 201
    assert [hook["hookUrl"] for hook in (await world.http.get("/hooks")).json()["hooks"]] == [URL]
    async with world.caller("203.0.113.7") as stranger:
        assert (await stranger.get("/hooks")).status_code == 403
        assert (await stranger.post("/hooks", json={"hookUrl": URL})).status_code == 403
    job = await world.record(await world.accepted())
    (hook,) = await world.store.active_hooks()
    assert hook.admin, "it hears the jobs of all callers"
    assert job.caller is None


async def test_a_hook_hears_what_its_caller_may_see(guarded: World):
    for caller in ("zap", "admin"):
        await created(guarded, caller)
    assert {hook.caller: hook.admin for hook in await guarded.store.active_hooks()} == {"zap": False, "admin": True}


# --- deleting ------------------------------------------------------------------------------------------------------


async def test_a_caller_does_not_see_the_path_of_an_admins_hook_on_its_job(guarded: World):
    url = "https://hooks.test/services/T01/secret?key=1"
    hooks = {caller: (await created(guarded, caller, hookUrl=url))["id"] for caller in ("zap", "admin")}
    await guarded.clock.sleep(30)
    job_id = (await submit(guarded, bearer("zap"))).json()["id"]
    await guarded.run_until(lambda: is_final(guarded, job_id))
    whole = "https://hooks.test/services/T01/secret"
    for caller, of_admin in (("zap", "https://hooks.test"), ("admin", whole)):
        callbacks = (await get(guarded, f"/jobs/{job_id}", caller)).json()["callbacks"]
        assert {one["hookId"]: one["url"] for one in callbacks} == {hooks["zap"]: whole, hooks["admin"]: of_admin}


async def is_final(world: World, job_id: str) -> bool:
    return (await world.record(job_id)).finished


async def test_a_hook_may_be_deleted_again_and_again(guarded: World):
    hook = await created(guarded)
    for _ in range(2):
        response = await guarded.http.delete(f"/hooks/{hook['id']}", headers=bearer("zap"))
        assert (response.status_code, response.content) == (204, b"")
    assert (await get(guarded, f"/hooks/{hook['id']}")).status_code == 404
    assert await guarded.store.active_hooks() == []


async def test_an_admin_may_delete_the_hook_of_another_caller(guarded: World):
    hook = await created(guarded)
    assert (await guarded.http.delete(f"/hooks/{hook['id']}", headers=bearer("admin"))).status_code == 204
    assert (await get(guarded, "/hooks")).json() == {"hooks": []}


# --- rotating ------------------------------------------------------------------------------------------------------


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(guarded: World):
    hook = await created(guarded)
    response = await guarded.http.post(f"/hooks/{hook['id']}/secret", headers=bearer("zap"))
    assert response.status_code == 200
    rotated = response.json()
    assert rotated["secret"] != hook["secret"]
    assert {**rotated, "secret": ""} == {**hook, "secret": ""}
    assert await guarded.deps.hooks.secrets(hook["id"]) == [rotated["secret"], hook["secret"]]
    await guarded.clock.sleep(timedelta(hours=24).total_seconds())
    assert await guarded.deps.hooks.secrets(hook["id"]) == [rotated["secret"]]


async def test_two_rotations_at_once_lose_no_secret(guarded: World):
    hook = await created(guarded)
    path = f"/hooks/{hook['id']}/secret"
    responses = await asyncio.gather(*(guarded.http.post(path, headers=bearer("zap")) for _ in range(2)))
    secrets = {hook["secret"], *(response.json()["secret"] for response in responses)}
    assert len(secrets) == 3
    assert set(await guarded.deps.hooks.secrets(hook["id"])) == secrets


async def test_an_ended_hook_says_so(guarded: World):
    hook = await created(guarded)
    await guarded.deps.hooks.end(hook["id"])
    assert (await get(guarded, f"/hooks/{hook['id']}")).json()["status"] == "ended"
    assert (await get(guarded, "/hooks")).json()["hooks"][0]["status"] == "ended"


async def test_no_secret_and_no_url_is_logged(guarded: World):
    hook = await created(guarded)
    rotated = (await guarded.http.post(f"/hooks/{hook['id']}/secret", headers=bearer("zap"))).json()
    await guarded.deps.hooks.end(hook["id"])
    for secret in (hook["secret"], rotated["secret"], "key=1"):
        assert secret not in guarded.lines.getvalue()


# --- the list of a hook's payloads ---------------------------------------------------------------------------------


async def test_a_flat_list_is_an_array_of_flat_notifications(guarded: World):
    sent = [{"prompt": text, **SMALL} for text in ("a cat", "a dog")]
    for body in sent:
        (await guarded.http.post("/", json=body, headers=bearer("zap"))).raise_for_status()
    listed = (await get(guarded, "/jobs?status=queued")).json()["jobs"]
    flat = await get(guarded, "/jobs?flat=true&status=queued")
    assert flat.json() == [{**job, "callbacks": None} for job in listed]
    for text in ("false", "", "0"):
        assert (await get(guarded, f"/jobs?flat={text}&status=queued")).json()["jobs"] == listed
    invalid = await get(guarded, "/jobs?flat=maybe")
    assert (invalid.status_code, invalid.json()["field"]) == (422, "flat")


async def test_a_flat_list_has_the_shape_of_a_flat_body(guarded: World):
    (await guarded.http.post("/", json={"prompt": "a cat", **SMALL}, headers=bearer("zap"))).raise_for_status()
    ((job,), now) = (await get(guarded, "/jobs?flat=true")).json(), guarded.clock.now()
    message = Message(id="1", type="image.completed", at=now, data=job, source="https://images.test")
    assert json.loads(body_of(message, "flat")[0]) == job


async def test_a_job_remembers_no_endless_host(open_world: OpenWorld):
    async with open_world(**AUTH, PUBLIC_URL="") as world:
        headers = {**bearer("zap"), "Host": "a" * 8_000}
        posted = await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=headers)
        base_url = (await world.record(posted.json()["id"])).base_url
    assert base_url is not None
    assert len(base_url) < 300


# --- notifications are no requests ---------------------------------------------------------------------------------


async def test_a_notification_that_is_delivered_to_the_trigger_makes_no_job(open_world: OpenWorld):
    other = new_secret(b"o" * 32)  # of notifications: unknown to the trigger
    async with open_world(**AUTH, TRIGGER_SIGNING_SECRETS=json.dumps({"shop": [SIGNING]})) as world:
        job = (await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=bearer("zap"))).json()
        flat = {**job, "callbacks": None}
        message = Message(
            id=f"{job['id']}-1-succeeded", type="image.completed", at=world.clock.now(), data=flat, source="x"
        )
        for format in ("standard", "cloudevents", "flat"):
            body, content_type = body_of(message, format)
            kind = {"Content-Type": content_type}
            now = int(world.clock.now().timestamp())
            signed = {**headers_of(message, body, now, [SIGNING]), **kind}
            renamed = Message(id="order-4711", type=message.type, at=message.at, data=flat, source="x")
            for headers in (
                *({**kind, **bearer("zap")}, {**kind, **bearer("admin")}, {**kind, "Origin": SHOP}, kind),
                *(signed, {**signed, **bearer("zap")}, {**kind, **headers_of(message, body, now, [other])}),
                {**kind, **headers_of(renamed, body, now, [SIGNING])},
            ):
                response = await world.http.post("/", content=body, headers=headers)
                assert response.status_code == 422, (headers, response.text)
                assert "notification" in response.json()["detail"]
        assert len((await get(world, "/jobs", "admin")).json()["jobs"]) == 1


async def test_without_authentication_the_operator_has_the_hooks_of_all(open_world: OpenWorld):
    async with open_world(**AUTH) as world:
        hook = await created(world)
    async with open_world() as world:
        assert [one["id"] for one in (await world.http.get("/hooks")).json()["hooks"]] == [hook["id"]]
        assert (await world.http.get(f"/hooks/{hook['id']}")).status_code == 200
        assert (await world.http.post(f"/hooks/{hook['id']}/secret")).status_code == 200
        assert (await world.caller("10.1.2.3").get("/hooks")).status_code == 403


async def test_an_empty_body_says_what_a_hook_is(guarded: World):
    for content, fault in ((b"", "is empty"), (b"{", "is not valid JSON")):
        response = await guarded.http.post("/hooks", content=content, headers=bearer("zap"))
        assert (response.status_code, fault in response.json()["detail"]) == (400, True)
        assert response.json()["detail"].endswith('JSON such as {"hookUrl": "https://example.com/hook"}.')
