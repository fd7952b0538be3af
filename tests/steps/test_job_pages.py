"""The page of a job as the server renders it."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from shared.job_parts import Step
from shared.job_states import Status
from tests.harness.world import World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.rendered import HTML, page
from tests.steps.run_responses import URL, run_response
from tests.steps.test_callers import AUTH, SHOP, bearer


@pytest.fixture
async def world(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(PLAYGROUND="true") as opened:
        yield opened


async def test_a_page_reloads_itself_less_often_as_the_job_ages(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        await world.accepted()
        waiting = await world.accepted()
        seconds = []
        for minutes in (0, 2, 60):
            await world.clock.sleep(60 * minutes)
            text = (await world.http.get(f"/jobs/{waiting}", headers=HTML)).text
            (found,) = re.findall(r'<noscript><meta http-equiv="refresh" content="(\d+)"></noscript>', text)
            seconds.append(int(found))
        assert seconds[0] < seconds[1] < seconds[2] <= 60


async def test_a_queued_job_says_its_place_and_when_it_may_start(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        await world.accepted()
        waiting = [await world.accepted() for _ in range(2)]
        text = (await world.http.get(f"/jobs/{waiting[1]}", headers=HTML)).text
        assert "It is number 2 in the queue." in text
        assert "It is expected to start in about" in text
        assert 'aria-current="step">Queued' in text


async def test_the_steps_of_a_run_are_shown_as_far_as_they_have_names(world: World) -> None:
    job = await world.accepted()
    steps = (Step(label="Upscale <4x>", progress=40.0), Step(label="Crop", status="PENDING"), Step(status="RUNNING"))
    await world.store.save(replace(await world.record(job), status=Status.RUNNING, steps=steps))
    text = (await world.http.get(f"/jobs/{job}", headers=HTML)).text
    assert 'aria-current="step">Generating' in text
    assert re.findall(r"<li><span>(.*)</span> <span>(.*)</span></li>", text) == [
        ("Upscale &lt;4x&gt;", "40 %"),
        ("Crop", "pending"),
    ]


async def test_a_finished_job_shows_every_image_and_what_can_be_done_with_it(world: World) -> None:
    job = await world.accepted("[fault:several_images] <b>cats</b>", altText='"cats"')
    await world.end_of(job)
    document = await page(world, f"/jobs/{job}")
    images = [one for one in document.all("img") if (one["src"] or "").startswith("/jobs/")]
    assert [one["src"] for one in images] == [f"/jobs/{job}/image/{n}" for n in range(len(images))]
    assert {one["alt"] for one in images} == {'"cats"'}
    links = [one["href"] for one in document.all("a")]
    for number in range(len(images)):
        assert f"/jobs/{job}/image/{number}?download=1" in links
        assert f"/?fromJob={job}&fromImage={number}" in links
    assert f"/?again={job}" in links
    assert document.all("main")


async def test_one_image_has_all_actions_in_one_row(world: World) -> None:
    job = await world.accepted()
    await world.end_of(job)
    text = (await world.http.get(f"/jobs/{job}", headers=HTML)).text
    caption, rest = re.search(r"<figcaption.*?</figcaption>", text, re.DOTALL), text.partition("</figcaption>")[2]
    assert caption
    for action in ("copy", "use", "again", "share"):
        assert f'data-do="{action}"' in caption.group()
        assert f'data-do="{action}"' not in rest


async def test_a_page_tells_the_playground_how_to_make_its_image_again(world: World) -> None:
    options = {"aspect_ratio": "9:16", "style": "of the caller only", "seed": 7}
    first = await world.accepted("a cat", **options)
    await world.end_of(first)
    assert await request_of(world, first) == {
        "fields": {"prompt": "a cat", "workflow": "default", "aspect_ratio": "9:16"},
        "file": False,
    }
    second = await world.accepted("a dog", aspect_ratio="1:1", fromJob=first)
    source = {"aspect_ratio": "1:1", "fromJob": first, "fromImage": "0"}
    expected = {"fields": {"prompt": "a dog", "workflow": "default", **source}, "file": False}
    assert await request_of(world, second) == expected
    sent = await world.http.post("/", data={"prompt": "a fox"}, files={"image1": ("cat.png", encoded("png", 8, 8))})
    expected = {"fields": {"prompt": "a fox", "workflow": "default"}, "file": True}
    assert await request_of(world, sent.json()["id"]) == expected


async def request_of(world: World, job: str) -> dict[str, Any]:
    (article,) = (await page(world, f"/jobs/{job}")).all("article")
    return dict(json.loads(article["data-request"] or ""))


async def test_a_link_to_a_public_job_shows_its_image(world: World) -> None:
    job = await world.accepted()
    await world.end_of(job)
    properties = {one.get("property"): one.get("content") for one in (await page(world, f"/jobs/{job}")).all("meta")}
    assert properties["og:image"] == (await world.job(job))["imageUrl"]
    assert properties["og:image:alt"] == "a cat"


async def test_the_page_of_a_private_job_is_for_its_caller_only_and_has_no_open_graph(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        job = (await world.http.post("/", json={"prompt": "my secret cat"}, headers=bearer("zap"))).json()["id"]
        hidden = await world.http.get(f"/jobs/{job}", headers=HTML)
        assert (hidden.status_code, "www-authenticate" in hidden.headers) == (401, True)
        assert "secret cat" not in hidden.text
        assert "Error code: unauthorized" in hidden.text
        assert 'data-do="unlock"' in hidden.text
        stranger = await world.http.get(f"/jobs/{job}", headers={**HTML, **bearer("ci")})
        assert stranger.status_code == 404
        for _ in range(20):
            await world.run_window()
        shown = await world.http.get(f"/jobs/{job}", headers={**HTML, **bearer("zap")})
        assert (shown.status_code, "secret cat" in shown.text, "og:" in shown.text) == (200, True, False)
        assert "<img src=" in shown.text


async def test_the_owner_is_told_why_a_job_failed_and_what_to_do(world: World) -> None:
    job = await world.accepted("[fault:moderation]")
    await world.end_of(job)
    text = unescape((await world.http.get(f"/jobs/{job}", headers=HTML)).text)
    assert "Change the prompt or the image, and start over." in text
    assert "It was not charged." in text
    assert "Error code: moderation" in text
    assert 'data-do="retry"' in text
    assert 'data-do="recopy"' not in text


PRIMARY = {"moderation": "edit", "failed": "retry", "not_an_image": "recopy"}


@pytest.mark.parametrize(("fault", "primary"), PRIMARY.items())
async def test_the_primary_action_is_free_or_a_paid_run_that_can_succeed(
    world: World, fault: str, primary: str
) -> None:
    job = await world.accepted(f"[fault:{fault}]")
    await world.end_of(job)
    document, text = await page(world, f"/jobs/{job}"), (await world.http.get(f"/jobs/{job}", headers=HTML)).text
    actions = {one["data-do"]: one["class"] for one in document.all("button") + document.all("a") if "data-do" in one}
    assert [name for name, kind in actions.items() if "primary" in (kind or "")] == [primary]
    assert "retry" in actions
    assert ("would probably fail again" in text) is (fault != "failed")


async def test_the_page_of_a_failed_run_with_a_stored_image_suggests_no_retry(world: World) -> None:
    job = await world.accepted()
    world.vendor.always("poll", 200, run_response("FAILED", URL, error="the second node broke"))
    await world.end_of(job)
    document, text = await page(world, f"/jobs/{job}"), (await world.http.get(f"/jobs/{job}", headers=HTML)).text
    assert "Send a new request. If it fails again" in text
    assert "etry this job" not in text
    (edit,) = [one for one in document.all("a") if one.get("data-do") == "edit"]
    assert "primary" in (edit["class"] or "")


async def test_while_copying_fails_the_page_says_why_to_the_owner_only(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        world.vendor.answer("cdn", lambda _call: httpx.Response(503))
        job = (await world.http.post("/", data={"prompt": "a cat"}, headers={"Origin": SHOP})).json()["id"]
        await world.run_for(timedelta(minutes=10))
        pages = [await world.http.get(f"/jobs/{job}", headers={**HTML, **who}) for who in ({}, bearer("admin"))]
        for text in ("could not be copied in", "responded with HTTP 503", "Copying is retried automatically."):
            assert [text in one.text for one in pages] == [False, True]


async def test_a_retry_is_offered_to_the_owner_of_a_job_that_has_no_image(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        prompt = {"prompt": "[fault:moderation]"}
        owned = (await world.http.post("/", json=prompt, headers=bearer("zap"))).json()["id"]
        visitors = (await world.http.post("/", data=prompt, headers={"Origin": SHOP})).json()["id"]
        stored = (await world.http.post("/", json={"prompt": "a cat"}, headers=bearer("zap"))).json()["id"]
        for _ in range(20):
            await world.run_window()
        for job, name, offered in ((owned, "zap", True), (stored, "zap", False), (visitors, "admin", True)):
            text = (await world.http.get(f"/jobs/{job}", headers={**HTML, **bearer(name)})).text
            assert ('data-do="retry"' in text) is offered
        assert 'data-do="retry"' not in (await world.http.get(f"/jobs/{visitors}", headers=HTML)).text


async def test_only_who_may_cancel_a_queued_job_is_offered_it(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, DAILY_EXECUTIONS="1") as world:
        for prompt in ("a cat", "a dog"):
            visitors = (await world.http.post("/", data={"prompt": prompt}, headers={"Origin": SHOP})).json()["id"]
        assert 'data-do="cancel"' in (await world.http.get(f"/jobs/{visitors}", headers=HTML)).text
