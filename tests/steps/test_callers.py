"""One URL for every caller: who may do what, and the answer that each of them expects."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from standardwebhooks import Webhook

from functions.trigger.responses.prefer import LONGEST_WAIT
from shared.ports import JobStore, StoreUnavailable
from tests.harness.world import SMALL, World
from tests.steps.conftest import Open

SHOP = "https://shop.example"
TOKENS = {"zap": "zap-token", "ci": "ci-token", "boss": "boss-token"}


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


DOORS = {
    "TRIGGER_TOKENS": json.dumps(
        {
            "zap": sha256("zap-token"),
            "ci": sha256("ci-token"),
            "boss": {"sha256": sha256("boss-token"), "admin": True},
        }
    ),
    "FORM_ORIGINS": SHOP,
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.fixture
async def guarded(open_world: Open) -> AsyncIterator[World]:
    """A world with tokens and a shop whose pages may post."""
    async with open_world(**DOORS) as made:
        yield made


async def submit(here: World, headers: dict[str, str], **fields: Any) -> httpx.Response:
    return await here.http.post("/", json={"prompt": "a cat", **SMALL, **fields}, headers=headers)


async def ended(here: World, *jobs: dict[str, Any]) -> list[str]:
    """How the jobs ended, whoever may read them."""

    async def all_ended() -> bool:
        return all([(await here.record(job["id"])).finished for job in jobs])

    await here.run_until(all_ended)
    return [str((await here.record(job["id"])).status) for job in jobs]


# --- whose job is it -----------------------------------------------------------------------------------------------


async def test_a_job_of_a_token_is_read_listed_and_cancelled_by_its_caller_and_an_admin(guarded: World) -> None:
    made = await submit(guarded, bearer("zap"))
    assert (made.status_code, made.json()["caller"]) == (202, "zap")
    path = made.headers["location"]
    for name, status in (("zap", 200), ("boss", 200), ("ci", 404)):
        assert (await guarded.http.get(path, headers=bearer(name))).status_code == status
        listed = (await guarded.http.get("/jobs", headers=bearer(name))).json()["jobs"]
        assert [job["id"] for job in listed] == ([made.json()["id"]] if status == 200 else [])
    assert (await guarded.http.delete(path, headers=bearer("ci"))).status_code == 404
    stranger = await guarded.http.get(path)
    assert (stranger.status_code, "www-authenticate" in stranger.headers) == (401, True)
    wrong = await guarded.http.get(path, headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    assert (await guarded.http.get(f"{path}/image")).status_code == 409  # images: whoever holds the id


async def test_a_browsers_job_is_read_by_whoever_holds_its_id(guarded: World) -> None:
    made = await submit(guarded, {"Origin": SHOP})
    assert made.json()["caller"] == f"form:{SHOP}"
    assert (await guarded.http.get(made.headers["location"])).status_code == 200
    assert (await guarded.http.get("/jobs")).status_code == 401


async def test_nobody_takes_another_callers_picture_as_input(guarded: World) -> None:
    made = (await submit(guarded, bearer("zap"))).json()["id"]
    await guarded.run_for(timedelta(minutes=2))
    for headers, status in ((bearer("ci"), 404), ({"Origin": SHOP}, 404), (bearer("zap"), 202), (bearer("boss"), 202)):
        answer = await submit(guarded, headers, fromJob=made)
        assert answer.status_code == status, answer.text


async def test_the_same_key_of_two_callers_makes_two_jobs(guarded: World) -> None:
    ids = [
        (await submit(guarded, {**headers, "Idempotency-Key": "k" * 16})).json()["id"]
        for headers in (bearer("zap"), bearer("ci"), {"Origin": SHOP}, bearer("zap"))
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


# --- arrays --------------------------------------------------------------------------------------------------------


async def test_an_array_makes_a_job_of_each_element_or_none(guarded: World) -> None:
    answer = await guarded.http.post("/", json=["a cat", {"prompt": "a dog", **SMALL}], headers=bearer("zap"))
    assert answer.status_code == 202
    jobs = answer.json()["jobs"]
    assert [job["prompt"] for job in jobs] == ["a cat", "a dog"]
    assert {job["status"] for job in jobs} == {"queued"}
    refused = await guarded.http.post("/", json={"prompts": ["a cow", " "]}, headers=bearer("zap"))
    assert (refused.status_code, refused.json()["field"]) == (422, "prompts[1]")
    assert len((await guarded.http.get("/jobs", headers=bearer("zap"))).json()["jobs"]) == 2
    assert await ended(guarded, *jobs) == ["succeeded", "succeeded"]


async def test_a_partial_array_has_a_problem_in_the_place_of_each_bad_element(guarded: World) -> None:
    answer = await guarded.http.post("/?partial=true", json=["a cat", 7, "a dog"], headers=bearer("zap"))
    first, bad, last = answer.json()["jobs"]
    assert (answer.status_code, first["prompt"], last["prompt"]) == (207, "a cat", "a dog")
    assert (bad["status"], bad["field"]) == (422, "[1]")


async def test_an_array_sent_again_is_the_same_jobs(guarded: World) -> None:
    async def post(*prompts: str) -> httpx.Response:
        headers = {**bearer("zap"), "Idempotency-Key": "order-1"}
        return await guarded.http.post("/", json={"prompts": prompts, **SMALL}, headers=headers)

    answers = await asyncio.gather(*(post("a cat", "a dog") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({job["id"] for answer in answers for job in answer.json()["jobs"]}) == 2
    changed = await post("a cat", "a cow")
    assert (changed.status_code, changed.json()["errorCode"]) == (422, "idempotency_key_reused")
    await ended(guarded, *answers[0].json()["jobs"])
    assert guarded.paid == 2


async def test_rows_of_an_array_stand_one_round_apart_and_let_others_in_between(open_world: Open) -> None:
    async with open_world(**DOORS, EXECUTIONS_PER_MINUTE="10") as here:
        many = await here.http.post("/", json=[f"cat {n}" for n in range(50)], headers=bearer("zap"))
        late = await submit(here, bearer("ci"))
        records = [await here.record(job["id"]) for job in many.json()["jobs"]]
        places = [record.queue_at - records[0].queue_at for record in records]  # type: ignore[operator]  # they are queued
        assert places == [n * timedelta(microseconds=1) for n in range(50)]
        assert await ended(here, late.json()) == ["succeeded"]
        unstarted = [await here.record(job["id"]) for job in many.json()["jobs"][20:]]
        assert all(record.status == "queued" for record in unstarted)


@pytest.mark.parametrize("headers", [{}, {"Origin": SHOP}])
async def test_an_array_needs_a_token_a_signature_or_an_event(guarded: World, headers: dict[str, str]) -> None:
    answer = await guarded.http.post("/", json=["a cat"], headers=headers)
    assert answer.status_code == (403 if headers else 401)


# --- the answer that each expects ----------------------------------------------------------------------------------


async def test_who_prefers_to_wait_gets_the_finished_job(here: World) -> None:
    async with ticking(here):
        answer = await here.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "wait=99"})
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
        assert answer.headers["preference-applied"] == f"wait={LONGEST_WAIT}"
        assert "retry-after" not in answer.headers


async def test_a_failed_job_in_time_is_200_too(here: World) -> None:
    async with ticking(here):
        fields = {"prompt": "a cat [fault:moderation]", **SMALL}
        answer = await here.http.post("/", json=fields, headers={"Prefer": "wait=25"})
        assert (answer.status_code, answer.json()["status"]) == (200, "failed")


async def test_a_job_that_is_not_done_in_time_is_202(here: World) -> None:
    answer = await here.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "respond-async, wait=3"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=3")
    read = await here.http.get(answer.headers["location"], headers={"Prefer": "wait=2"})
    assert (read.status_code, read.json()["status"]) == (200, "running")


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=x", "wait=-1", "waiting=3", ""])
async def test_a_preference_that_makes_no_sense_is_ignored(here: World, prefer: str) -> None:
    answer = await here.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": prefer})
    assert (answer.status_code, "preference-applied" in answer.headers) == (202, False)


async def test_one_step_of_a_zap_ends_with_the_bytes(here: World) -> None:
    async with ticking(here):
        headers = {"Prefer": "wait=25", "Accept": "image/*"}
        answer = await here.http.post("/", json={"prompt": "a cat", **SMALL}, headers=headers)
        assert (answer.status_code, answer.headers["location"].startswith("https://images.test/jobs/")) == (303, True)
        image = await here.http.get(answer.headers["location"], headers=headers)
        assert (image.status_code, image.headers["content-type"]) == (200, "image/png")


async def test_an_image_that_is_waited_for_comes_as_bytes(here: World) -> None:
    async with ticking(here):
        job_id = await here.accepted()
        image = await here.http.get(f"/jobs/{job_id}/image", headers={"Prefer": "wait=25"})
        assert (image.status_code, image.headers["preference-applied"]) == (200, "wait=25")


HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_form_without_javascript_ends_on_a_page_that_looks_again_until_the_picture_is_there(
    guarded: World,
) -> None:
    answer = await guarded.http.post("/", data={"prompt": 'a <b>"cat"</b>'}, headers={**HTML, "Origin": SHOP})
    assert answer.status_code == 303
    page = await guarded.http.get(answer.headers["location"], headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert 'http-equiv="refresh"' in page.text
    assert "accept" in page.headers["vary"].lower()
    await guarded.end_of(answer.headers["location"].rpartition("/")[2])
    page = await guarded.http.get(answer.headers["location"], headers=HTML)
    assert "<img src=" in page.text
    assert "refresh" not in page.text
    assert "<b>" not in page.text


async def test_a_form_goes_on_where_it_says_if_that_is_an_allowed_page(guarded: World) -> None:
    async def post(url: str) -> httpx.Response:
        fields = {"prompt": "a cat", "redirectUrl": url}
        return await guarded.http.post("/", data=fields, headers={**HTML, "Origin": SHOP})

    answer = await post(f"{SHOP}/thanks?a=1#top")
    job_id = answer.headers["location"].partition("jobId=")[2].partition("#")[0]
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SHOP}/thanks?a=1&jobId={job_id}#top")
    await guarded.record(job_id)
    refused = await post("https://elsewhere.example/")
    assert (refused.status_code, refused.json()["field"]) == (422, "redirectUrl")


async def test_a_form_posted_by_a_script_gets_json(guarded: World) -> None:
    answer = await guarded.http.post("/", data={"prompt": "a cat"}, headers={"Origin": SHOP})
    assert (answer.status_code, answer.json()["prompt"]) == (202, "a cat")
    assert answer.headers["access-control-allow-origin"] == SHOP


# --- browsers ------------------------------------------------------------------------------------------------------


async def test_a_stranger_gets_no_more_than_the_limit_and_repeats_are_free(guarded: World) -> None:
    headers = {"Origin": SHOP, "Idempotency-Key": "a-key-of-a-browser-1"}
    first = await asyncio.gather(*(submit(guarded, headers) for _ in range(50)))
    assert {answer.status_code for answer in first} == {202}
    assert len({answer.json()["id"] for answer in first}) == 1
    more = [await submit(guarded, {"Origin": SHOP}) for _ in range(6)]
    assert [answer.status_code for answer in more] == [202] * 4 + [429] * 2
    assert int(more[-1].headers["retry-after"]) <= 60
    assert "ratelimit" in more[-1].headers
    assert "ratelimit-policy" in more[0].headers
    elsewhere = guarded.caller("203.0.113.9", Origin=SHOP)
    assert (await elsewhere.post("/", json={"prompt": "a cat"})).status_code == 202
    await guarded.run_for(timedelta(seconds=30))
    assert guarded.paid == 6
    await guarded.clock.sleep(61)
    assert (await submit(guarded, {"Origin": SHOP})).status_code == 202


async def test_a_filled_honeypot_gets_an_answer_like_any_other_and_nothing_is_stored(guarded: World) -> None:
    answer = await submit(guarded, {"Origin": SHOP}, website="https://spam.example")
    assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{answer.json()['id']}")
    assert await guarded.store.get(answer.json()["id"]) is None
    assert guarded.paid == 0
    empty = await submit(guarded, {"Origin": SHOP}, website="")
    assert await guarded.store.get(empty.json()["id"])


async def test_a_form_token_makes_one_job_and_is_good_for_one_request(guarded: World) -> None:
    page = guarded.caller("203.0.113.9", Origin=SHOP)
    token = (await page.get("/form-token")).json()["formToken"]
    young = await page.post("/", json={"prompt": "a cat", "formToken": token})
    assert (young.status_code, young.json()["field"]) == (422, "formToken")
    await guarded.clock.sleep(4)
    answers = await asyncio.gather(*(page.post("/", json={"prompt": "a cat", "formToken": token}) for _ in range(9)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await page.post("/", json={"prompt": "a dog", "formToken": token})
    assert (other.status_code, other.json()["field"]) == (422, "formToken")
    await guarded.tick()
    assert guarded.paid == 1


# --- lists ---------------------------------------------------------------------------------------------------------


async def test_a_list_goes_from_the_newest_on_page_by_page(here: World) -> None:
    made = []
    for n in range(5):
        made.append(await here.accepted(f"cat {n}"))
        await here.clock.sleep(1)
    first = (await here.http.get("/jobs?limit=2")).json()
    rest = (await here.http.get(f"/jobs?cursor={first['nextCursor']}")).json()
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["nextCursor"] is None
    since = (await here.record(made[3])).created_at.isoformat()
    some = (await here.http.get("/jobs", params={"since": since, "workflow": "default", "status": "running"})).json()
    assert [job["id"] for job in some["jobs"]] == made[:2:-1]
    assert (await here.http.get("/jobs?status=failed")).json() == {"jobs": [], "nextCursor": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=done", "since=yesterday", "since=2026-01-31", "cursor=x"]
)
async def test_a_list_that_cannot_be_is_refused_by_the_name_of_the_field(here: World, query: str) -> None:
    answer = await here.http.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


@asynccontextmanager
async def ticking(here: World) -> AsyncIterator[None]:
    """A poller that never rests."""

    async def tick() -> None:
        while True:
            await here.tick()
            await here.clock.sleep(1)

    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.gather(ticker, return_exceptions=True)


async def test_a_form_token_is_good_for_one_request_whatever_key_comes_along(open_world: Open) -> None:
    async with open_world(**DOORS, FORM_PER_MINUTE="0", FORM_PER_HOUR="0") as here:
        page = here.caller("203.0.113.9", Origin=SHOP)
        token = (await page.get("/form-token")).json()["formToken"]
        await here.clock.sleep(4)
        first = await page.post("/", json={"prompt": "a cat", "formToken": token})
        keyed = {"Idempotency-Key": "a-key-of-a-browser-1"}
        other = await page.post("/", json={"prompt": "a dog", "formToken": token}, headers=keyed)
        assert (first.status_code, other.status_code, other.json()["field"]) == (202, 422, "formToken")
        fresh = (await page.get("/form-token")).json()["formToken"]
        await here.clock.sleep(4)
        made = await page.post("/", json={"prompt": "a dog", "formToken": fresh}, headers=keyed)
        again = await page.post("/", json={"prompt": "a dog", "formToken": token}, headers=keyed)
        assert (made.status_code, again.json()["id"]) == (202, made.json()["id"])


async def test_whoever_has_caught_a_signed_request_gets_no_second_image(open_world: Open) -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    async with open_world(TRIGGER_SIGNING_SECRETS=json.dumps({"shop": [secret]})) as here:
        body, now = json.dumps({"prompt": "a cat", **SMALL}), here.clock.now()
        signed = {
            "webhook-id": "order-4711",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign("order-4711", now, body),
            "Content-Type": "application/json",
        }
        first = await here.http.post("/", content=body, headers=signed)
        caught = await here.http.post("/", content=body, headers={**signed, "Idempotency-Key": "another"})
        query = await here.http.post("/?idempotencyKey=another", content=body, headers=signed)
        assert {first.json()["id"], caught.json()["id"], query.json()["id"]} == {first.json()["id"]}
        assert here.paid == 1


async def test_a_tunnel_does_not_make_the_world_this_machine(here: World) -> None:
    for name in ("X-Forwarded-For", "Forwarded"):
        answer = await here.http.post("/", json={"prompt": "a cat"}, headers={name: "for=127.0.0.1"})
        assert answer.status_code == 403


class Answerless:
    """A job store that does what it is told, and whose answers are lost for one call after `times` good ones."""

    def __init__(self, inner: JobStore, call: str, times: int = 0) -> None:
        self._inner, self._call, self._times = inner, call, times

    def __getattr__(self, name: str) -> Any:
        return self._lost if name == self._call else getattr(self._inner, name)

    async def _lost(self, *given: Any) -> Any:
        done = await getattr(self._inner, self._call)(*given)
        self._times -= 1
        if self._times == -1:
            raise StoreUnavailable("the answer is lost")
        return done


async def test_an_array_whose_write_was_not_answered_is_there_all_the_same(open_world: Open) -> None:
    async with open_world(**DOORS, wrap=lambda store: cast("JobStore", Answerless(store, "create_all"))) as here:
        answer = await here.http.post("/", json=["a cat", "a dog"], headers=bearer("zap"))
        assert (answer.status_code, len(answer.json()["jobs"])) == (202, 2)
        assert await ended(here, *answer.json()["jobs"]) == ["succeeded", "succeeded"]
        assert here.paid == 2


async def test_who_waits_is_not_sent_away_by_a_store_that_is_silent_for_a_moment(open_world: Open) -> None:
    async with (
        open_world(wrap=lambda store: cast("JobStore", Answerless(store, "get", 1))) as here,
        ticking(here),
    ):
        answer = await here.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "wait=25"})
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
