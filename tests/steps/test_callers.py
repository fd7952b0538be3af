"""What each kind of caller may do, and which response it gets."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from shared.ports import JobStore
from tests.harness.lossy import LossyJobs
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld

SHOP = "https://shop.example"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Origin": SHOP}
TOKENS = {"zap": "zap-token", "ci": "ci-token", "admin": "admin-token"}


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


AUTH = {
    "TRIGGER_TOKENS": json.dumps(
        {
            "zap": sha256("zap-token"),
            "ci": sha256("ci-token"),
            "admin": {"sha256": sha256("admin-token"), "admin": True},
        }
    ),
    "FORM_ORIGINS": SHOP,
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.fixture
async def guarded(open_world: OpenWorld) -> AsyncIterator[World]:
    """A world with tokens, and with an origin whose pages may submit forms."""
    async with open_world(**AUTH) as opened:
        yield opened


async def submit(world: World, headers: dict[str, str], **fields: Any) -> httpx.Response:
    return await world.http.post("/", json={"prompt": "a cat", **SMALL, **fields}, headers=headers)


async def final_states(world: World, *jobs: dict[str, Any]) -> list[str]:
    """Run windows until the jobs are final; return their states."""

    async def all_final() -> bool:
        return all([(await world.record(job["id"])).finished for job in jobs])

    await world.run_until(all_final)
    return [str((await world.record(job["id"])).status) for job in jobs]


# --- ownership -------------------------------------------------------------------------------------------------------


async def test_only_the_caller_and_an_admin_may_read_list_or_cancel_a_job_of_a_token(guarded: World) -> None:
    submitted = await submit(guarded, bearer("zap"))
    assert (submitted.status_code, submitted.json()["caller"]) == (202, "zap")
    path = submitted.headers["location"]
    for name, status in (("zap", 200), ("admin", 200), ("ci", 404)):
        assert (await guarded.http.get(path, headers=bearer(name))).status_code == status
        listed = (await guarded.http.get("/jobs", headers=bearer(name))).json()["jobs"]
        assert [job["id"] for job in listed] == ([submitted.json()["id"]] if status == 200 else [])
    assert (await guarded.http.delete(path, headers=bearer("ci"))).status_code == 404
    anonymous = await guarded.http.get(path)
    assert (anonymous.status_code, "www-authenticate" in anonymous.headers) == (401, True)
    wrong = await guarded.http.get(path, headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    assert (await guarded.http.get(f"{path}/image")).status_code == 409  # an image needs no credential


async def test_anyone_with_the_id_may_read_a_job_of_a_browser(guarded: World) -> None:
    submitted = await submit(guarded, {"Origin": SHOP})
    assert submitted.json()["caller"] == f"form:{SHOP}"
    assert (await guarded.http.get(submitted.headers["location"])).status_code == 200
    assert (await guarded.http.get("/jobs")).status_code == 401


async def test_a_caller_cannot_use_the_image_of_another_callers_job_as_input(guarded: World) -> None:
    source = (await submit(guarded, bearer("zap"))).json()["id"]
    await guarded.run_for(timedelta(minutes=2))
    for headers, status in ((bearer("ci"), 404), ({"Origin": SHOP}, 404), (bearer("zap"), 202), (bearer("admin"), 202)):
        response = await submit(guarded, headers, fromJob=source)
        assert response.status_code == status, response.text


async def test_the_same_idempotency_key_from_two_callers_makes_two_jobs(guarded: World) -> None:
    ids = [
        (await submit(guarded, {**headers, "Idempotency-Key": "k" * 16})).json()["id"]
        for headers in (bearer("zap"), bearer("ci"), {"Origin": SHOP}, bearer("zap"))
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


# --- batches ---------------------------------------------------------------------------------------------------------


async def test_a_batch_makes_a_job_of_each_item_or_none_at_all(guarded: World) -> None:
    response = await guarded.http.post("/", json=["a cat", {"prompt": "a dog", **SMALL}], headers=bearer("zap"))
    assert response.status_code == 202
    jobs = response.json()["jobs"]
    assert [job["prompt"] for job in jobs] == ["a cat", "a dog"]
    assert {job["status"] for job in jobs} == {"queued"}
    refused = await guarded.http.post("/", json={"prompts": ["a cow", " "]}, headers=bearer("zap"))
    assert (refused.status_code, refused.json()["field"]) == (422, "prompts[1]")
    assert len((await guarded.http.get("/jobs", headers=bearer("zap"))).json()["jobs"]) == 2
    assert await final_states(guarded, *jobs) == ["succeeded", "succeeded"]


async def test_a_partial_batch_has_a_problem_in_place_of_each_invalid_item(guarded: World) -> None:
    response = await guarded.http.post("/?partial=true", json=["a cat", 7, "a dog"], headers=bearer("zap"))
    first, bad, last = response.json()["jobs"]
    assert (response.status_code, first["prompt"], last["prompt"]) == (207, "a cat", "a dog")
    assert (bad["status"], bad["field"]) == (422, "[1]")


async def test_a_batch_that_is_sent_again_returns_the_same_jobs(guarded: World) -> None:
    async def post(*prompts: str) -> httpx.Response:
        headers = {**bearer("zap"), "Idempotency-Key": "order-1"}
        return await guarded.http.post("/", json={"prompts": prompts, **SMALL}, headers=headers)

    responses = await asyncio.gather(*(post("a cat", "a dog") for _ in range(10)))
    assert {response.status_code for response in responses} == {202}
    assert len({job["id"] for response in responses for job in response.json()["jobs"]}) == 2
    changed = await post("a cat", "a cow")
    assert (changed.status_code, changed.json()["errorCode"]) == (422, "idempotency_key_reused")
    await final_states(guarded, *responses[0].json()["jobs"])
    assert guarded.paid == 2


async def test_the_jobs_of_a_batch_stand_one_round_apart_in_the_queue(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, EXECUTIONS_PER_MINUTE="10") as world:
        batch = await world.http.post("/", json=[f"cat {n}" for n in range(50)], headers=bearer("zap"))
        single = await submit(world, bearer("ci"))
        records = [await world.record(job["id"]) for job in batch.json()["jobs"]]
        delays = [record.queue_at - records[0].queue_at for record in records]  # type: ignore[operator]  # it is queued
        assert delays == [n * timedelta(microseconds=1) for n in range(50)]
        assert await final_states(world, single.json()) == ["succeeded"]
        unstarted = [await world.record(job["id"]) for job in batch.json()["jobs"][20:]]
        assert all(record.status == "queued" for record in unstarted)


@pytest.mark.parametrize("headers", [{}, {"Origin": SHOP}])
async def test_a_batch_needs_a_token_a_signature_or_an_event(guarded: World, headers: dict[str, str]) -> None:
    response = await guarded.http.post("/", json=["a cat"], headers=headers)
    assert response.status_code == (403 if headers else 401)


async def test_a_batch_is_accepted_if_it_was_stored_but_the_response_of_the_store_was_lost(
    open_world: OpenWorld,
) -> None:
    async with open_world(**AUTH, wrap=lambda store: cast("JobStore", LossyJobs(store, "create_all"))) as world:
        response = await world.http.post("/", json=["a cat", "a dog"], headers=bearer("zap"))
        assert (response.status_code, len(response.json()["jobs"])) == (202, 2)
        assert await final_states(world, *response.json()["jobs"]) == ["succeeded", "succeeded"]
        assert world.paid == 2


# --- forms -----------------------------------------------------------------------------------------------------------


async def test_a_form_without_javascript_leads_to_a_page_that_refreshes_until_the_image_is_ready(
    guarded: World,
) -> None:
    response = await guarded.http.post("/", data={"prompt": 'a <b>"cat"</b>'}, headers=BROWSER)
    assert response.status_code == 303
    page = await guarded.http.get(response.headers["location"], headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert 'http-equiv="refresh"' in page.text
    assert "accept" in page.headers["vary"].lower()
    await guarded.end_of(response.headers["location"].rpartition("/")[2])
    page = await guarded.http.get(response.headers["location"], headers=BROWSER)
    assert "<img src=" in page.text
    assert "refresh" not in page.text
    assert "<b>" not in page.text


async def test_a_form_redirects_to_its_redirect_url_if_that_origin_is_allowed(guarded: World) -> None:
    async def post(url: str) -> httpx.Response:
        fields = {"prompt": "a cat", "redirectUrl": url}
        return await guarded.http.post("/", data=fields, headers=BROWSER)

    response = await post(f"{SHOP}/thanks?a=1#top")
    job_id = response.headers["location"].partition("jobId=")[2].partition("#")[0]
    assert (response.status_code, response.headers["location"]) == (303, f"{SHOP}/thanks?a=1&jobId={job_id}#top")
    await guarded.record(job_id)
    refused = await post("https://elsewhere.example/")
    assert (refused.status_code, "location" in refused.headers) == (422, False)
    (line,) = guarded.log("request_rejected")
    assert line["field"] == "redirectUrl"


async def test_a_form_that_is_posted_by_a_script_gets_json(guarded: World) -> None:
    response = await guarded.http.post("/", data={"prompt": "a cat"}, headers={"Origin": SHOP})
    assert (response.status_code, response.json()["prompt"]) == (202, "a cat")
    assert response.headers["access-control-allow-origin"] == SHOP


# --- protection against abuse ----------------------------------------------------------------------------------------


async def test_a_browser_is_rate_limited_and_repeated_requests_do_not_count(guarded: World) -> None:
    headers = {"Origin": SHOP, "Idempotency-Key": "a-key-of-a-browser-1"}
    first = await asyncio.gather(*(submit(guarded, headers) for _ in range(50)))
    assert {response.status_code for response in first} == {202}
    assert len({response.json()["id"] for response in first}) == 1
    more = [await submit(guarded, {"Origin": SHOP}) for _ in range(6)]
    assert [response.status_code for response in more] == [202] * 4 + [429] * 2
    assert int(more[-1].headers["retry-after"]) <= 60
    assert "ratelimit" in more[-1].headers
    assert "ratelimit-policy" in more[0].headers
    other_address = guarded.caller("203.0.113.9", Origin=SHOP)
    assert (await other_address.post("/", json={"prompt": "a cat"})).status_code == 202
    await guarded.run_for(timedelta(seconds=30))
    assert guarded.paid == 6
    await guarded.clock.sleep(61)
    assert (await submit(guarded, {"Origin": SHOP})).status_code == 202


async def test_a_filled_honeypot_field_gets_an_ordinary_response_and_nothing_is_stored(guarded: World) -> None:
    response = await submit(guarded, {"Origin": SHOP}, website="https://spam.example")
    assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{response.json()['id']}")
    assert await guarded.store.get(response.json()["id"]) is None
    assert guarded.paid == 0
    empty = await submit(guarded, {"Origin": SHOP}, website="")
    assert await guarded.store.get(empty.json()["id"])


async def test_a_turnstile_response_must_be_a_string_and_is_ignored_for_others(guarded: World) -> None:
    response = await submit(guarded, {"Origin": SHOP}, **{"cf-turnstile-response": 7})
    assert (response.status_code, response.json()["field"]) == (422, "cf-turnstile-response")
    assert (await submit(guarded, bearer("zap"), **{"cf-turnstile-response": 7})).status_code == 202


async def test_a_form_token_makes_one_job_and_is_valid_for_one_request(guarded: World) -> None:
    page = guarded.caller("203.0.113.9", Origin=SHOP)
    token = (await page.get("/form-token")).json()["formToken"]
    too_early = await page.post("/", json={"prompt": "a cat", "formToken": token})
    assert (too_early.status_code, too_early.json()["field"]) == (422, "formToken")
    await guarded.clock.sleep(4)
    responses = await asyncio.gather(*(page.post("/", json={"prompt": "a cat", "formToken": token}) for _ in range(9)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    other = await page.post("/", json={"prompt": "a dog", "formToken": token})
    assert (other.status_code, other.json()["field"]) == (422, "formToken")
    await guarded.run_window()
    assert guarded.paid == 1


async def test_a_form_token_is_valid_for_one_request_whatever_the_idempotency_key(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, FORM_PER_MINUTE="0", FORM_PER_HOUR="0") as world:
        page = world.caller("203.0.113.9", Origin=SHOP)
        token = (await page.get("/form-token")).json()["formToken"]
        await world.clock.sleep(4)
        first = await page.post("/", json={"prompt": "a cat", "formToken": token})
        with_key = {"Idempotency-Key": "a-key-of-a-browser-1"}
        other = await page.post("/", json={"prompt": "a dog", "formToken": token}, headers=with_key)
        assert (first.status_code, other.status_code, other.json()["field"]) == (202, 422, "formToken")
        fresh = (await page.get("/form-token")).json()["formToken"]
        await world.clock.sleep(4)
        second = await page.post("/", json={"prompt": "a dog", "formToken": fresh}, headers=with_key)
        again = await page.post("/", json={"prompt": "a dog", "formToken": token}, headers=with_key)
        assert (second.status_code, again.json()["id"]) == (202, second.json()["id"])


# --- the operator --------------------------------------------------------------------------------------------------


async def test_without_authentication_the_operator_acts_on_the_jobs_of_tokens(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        job_id = (await submit(world, bearer("zap"), prompt="[fault:bad_request]")).json()["id"]
    async with open_world() as world:
        for http, status in ((world.http, 200), (world.caller("10.1.2.3"), 401)):
            assert (await http.get(f"/jobs/{job_id}")).status_code == status
            assert (await http.get(f"/jobs/{job_id}/history")).status_code == status
            assert (await http.post(f"/jobs/{job_id}/redeliver")).status_code == status
        retry = {"confirm": True, "attempt": 1}
        assert (await world.caller("10.1.2.3").post(f"/jobs/{job_id}/retry", json=retry)).status_code == 401
        assert (await world.http.post(f"/jobs/{job_id}/retry", json=retry)).status_code == 202


async def test_a_caller_that_iam_admits_is_accepted_beside_events(open_world: OpenWorld) -> None:
    events = {"EVENT_SERVICE_ACCOUNT": "push@p.iam.gserviceaccount.com", "EVENT_AUDIENCE": "https://images.test"}
    async with open_world(TRIGGER_PUBLIC="false", **events) as world:
        invoker = world.caller("10.1.2.3")
        created = await invoker.post("/", json={"prompt": "a cat", **SMALL})
        assert created.status_code == 202, created.text
        paths = ("/jobs", "/usage", "/workflows", "/hooks", f"/jobs/{created.json()['id']}/history")
        assert {path: (await invoker.get(path)).status_code for path in paths} == dict.fromkeys(paths, 200)
        assert (await invoker.delete(f"/jobs/{created.json()['id']}")).status_code in {200, 409}
        document = (await invoker.get("/openapi.json")).json()
        assert document["paths"]["/"]["post"]["security"] == [{"event": []}, {}]
    async with open_world(TRIGGER_PUBLIC="true", **events) as world:
        assert (await world.caller("10.1.2.3").post("/", json={"prompt": "a cat"})).status_code == 401
        assert (await world.caller("10.1.2.3").get("/jobs")).status_code == 401


async def test_a_caller_that_iam_admits_is_not_the_operator(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        job_id = (await submit(world, bearer("zap"))).json()["id"]
    async with open_world(TRIGGER_PUBLIC="false") as world:
        assert (await world.caller("10.1.2.3").get("/jobs")).status_code == 200
        assert (await world.caller("10.1.2.3").get(f"/jobs/{job_id}")).status_code == 401
