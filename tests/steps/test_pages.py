"""Our pages as the server renders them: the playground, the page of a job, and what both load."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.trigger.responses.assets import PAGES
from shared.job_parts import Step
from shared.job_states import Status
from tests.harness.world import LOCAL_URL, World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, BROWSER, SHOP, bearer

HTML = {"Accept": BROWSER["Accept"]}
TURNSTILE = {"TURNSTILE_SECRET": "0x4-turnstile-secret", "TURNSTILE_SITE_KEY": "0x4AAA"}
ASSETS = ["/pages/page.css", "/pages/page.js", "/embed.js"]
BYTES = 60 * 1024  # of all files together


class Document(HTMLParser):
    """The elements of a page: tag and attributes."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]

    def named(self, name: str) -> list[str]:
        """The tags of the elements with this `name`."""
        return [tag for tag, attributes in self.elements if attributes.get("name") == name]


@pytest.fixture
async def world(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(PLAYGROUND="true") as opened:
        yield opened


async def page(world: World, path: str = "/", **headers: str) -> Document:
    response = await world.http.get(path, headers={**HTML, **headers})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Document(response)


# --- what pages load -------------------------------------------------------------------------------------------------


def test_all_files_together_are_small() -> None:
    assert sum(file.stat().st_size for file in PAGES.iterdir() if file.suffix != ".png") < BYTES


@pytest.mark.parametrize("path", ["/", "/jobs/{id}", "/jobs/unknown"])
async def test_a_page_loads_nothing_from_elsewhere_and_has_nothing_inline(world: World, path: str) -> None:
    response = await world.http.get(path.format(id=await world.accepted()), headers=HTML)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self' https://storage.googleapis.com data: blob:" in policy
    assert "unsafe" not in policy
    document = Document(response)
    assert "style" not in {tag for tag, _ in document.elements}
    assert not [name for _, attributes in document.elements for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in document.elements if "style" in attributes]
    loaded = [one["src"] for one in document.all("script")] + [one["href"] for one in document.all("link")]
    assert loaded
    assert all(url and url.startswith(("/", "data:")) for url in loaded)


@pytest.mark.parametrize("path", ["/", "/jobs/{id}"])
async def test_what_a_page_names_is_there_and_may_be_kept(world: World, path: str) -> None:
    document = await page(world, path.format(id=await world.accepted()))
    urls = [one["src"] for one in document.all("script")] + [one["href"] for one in document.all("link")]
    for url in [url for url in urls if url and url.startswith("/")]:
        response = await world.http.get(url)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize("path", ASSETS)
async def test_a_file_without_its_version_is_checked_again(world: World, path: str) -> None:
    response = await world.http.get(path)
    assert response.text == (PAGES / Path(path).name).read_text()
    assert "immutable" not in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    again = await world.http.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])
    assert "immutable" not in (await world.http.get(f"{path}?v=0")).headers["cache-control"]


@pytest.mark.parametrize("origin", [SHOP, "https://elsewhere.example"])
async def test_pages_of_any_origin_may_load_the_module_for_them(open_world: OpenWorld, origin: str) -> None:
    async with open_world(**AUTH) as world:
        response = await world.http.get("/embed.js", headers={"Origin": origin})
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await world.http.get("/pages/page.js")).headers


# --- the playground --------------------------------------------------------------------------------------------------


async def test_without_the_setting_there_is_no_playground(open_world: OpenWorld) -> None:
    async with open_world() as world:
        for accept in ("*/*", "text/html"):
            response = await world.http.get("/", headers={"Accept": accept})
            assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert "get" not in (await world.http.get("/openapi.json")).json()["paths"]["/"]
        finished = await world.accepted()
        await world.end_of(finished)
        assert not [
            one for one in (await page(world, f"/jobs/{finished}")).all("a") if (one["href"] or "")[:2] in ("/", "/?")
        ]


async def test_the_playground_is_a_plain_form(world: World) -> None:
    response = await world.http.get("/", headers=HTML)
    document = Document(response)
    (form,) = [one for one in document.all("form") if one.get("action")]
    assert (form["method"], form["action"], form["enctype"]) == ("post", "/", "multipart/form-data")
    assert document.named("prompt") == ["textarea"]
    assert document.named("aspect_ratio") == ["select"]
    assert document.named("image1") == ["input"]
    assert document.named("token") == []
    assert response.headers["referrer-policy"] == "same-origin"  # else browsers send `Origin: null`
    assert "get" in (await world.http.get("/openapi.json")).json()["paths"]["/"]


@pytest.mark.parametrize(("locked", "shown"), [('"overridable": ["aspect_ratio"], ', ["select"]), ("", [])])
async def test_it_has_the_workflows_and_the_fields_of_the_default_one(
    open_world: OpenWorld, locked: str, shown: list[str]
) -> None:
    default = f'{{"mode": "execute", {locked}"model": "nano_banana_pro", "id": "demo-execute"}}'
    flows = f'{{"saved": {{"mode": "run", "id": "demo-saved"}}, "default": {default}}}'
    async with open_world(PLAYGROUND="true", WIREFLOW_WORKFLOWS=flows) as world:
        document = await page(world)
        assert document.named("workflow") == ["select"]
        assert [one["value"] for one in document.all("option")][:2] == ["default", "saved"]
        assert (document.named("aspect_ratio"), document.named("resolution")) == (shown, [])


async def test_what_the_plain_form_sends_is_accepted(world: World) -> None:
    fields = {"prompt": "a cat", "workflow": "default", "aspect_ratio": "64:1"}
    sent = await world.http.post("/", data=fields, headers={**HTML, "Origin": LOCAL_URL})
    assert sent.status_code == 303
    assert (await world.job(sent.headers["location"].rpartition("/")[2]))["prompt"] == "a cat"


async def test_the_playground_is_sent_again_only_if_it_has_changed(world: World) -> None:
    response = await world.http.get("/", headers=HTML)
    again = await world.http.get("/", headers={**HTML, "If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == response.headers["content-security-policy"]


async def test_a_deployed_playground_asks_for_a_token_and_names_no_workflow(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, PLAYGROUND="true") as world:
        document = await page(world)
        assert (document.named("token"), document.named("workflow")) == (["input"], [])


async def test_a_playground_on_an_origin_of_forms_asks_for_no_token(open_world: OpenWorld) -> None:
    own = AUTH | {"FORM_ORIGINS": f"{SHOP},{LOCAL_URL}"}
    async with open_world(**own, PLAYGROUND="true") as world:
        assert (await page(world)).named("token") == []
        sent = await world.http.post("/", data={"prompt": "a cat"}, headers={**HTML, "Origin": LOCAL_URL})
        assert sent.status_code == 303
        got = await world.http.get("/form-token", headers={"Sec-Fetch-Site": "same-origin"})
        assert got.json()["formToken"]
        assert (await world.http.get("/form-token", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


async def test_a_page_of_another_origin_of_forms_gets_no_form_token_as_our_own(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        got = await world.http.get("/form-token", headers={"Sec-Fetch-Site": "same-origin"})
        assert got.status_code == 403


@pytest.mark.parametrize("site_key", ["", "0x4AAA"])
async def test_turnstile_is_the_one_thing_that_comes_from_elsewhere(open_world: OpenWorld, site_key: str) -> None:
    own = AUTH | TURNSTILE | {"FORM_ORIGINS": LOCAL_URL, "TURNSTILE_SITE_KEY": site_key}
    async with open_world(**own, PLAYGROUND="true") as world:
        response = await world.http.get("/", headers=HTML)
        document = Document(response)
        # Without its public key the widget cannot be shown, so a token is the only way.
        assert (document.named("token") == []) is bool(site_key)
        assert ("https://challenges.cloudflare.com" in response.headers["content-security-policy"]) is bool(site_key)
        assert any(one.get("data-sitekey") == site_key for one in document.all("div")) is bool(site_key)


@pytest.mark.parametrize("settings", [{"FORM_REQUIRE_TOKEN": "true"}, TURNSTILE], ids=["form token", "Turnstile"])
@pytest.mark.parametrize("own", [True, False], ids=["for everyone", "with a token"])
async def test_a_form_that_a_plain_browser_cannot_send_says_so(
    open_world: OpenWorld, settings: dict[str, str], own: bool
) -> None:
    origins = {"FORM_ORIGINS": LOCAL_URL if own else SHOP}
    async with open_world(**AUTH | origins | settings, PLAYGROUND="true") as world:
        text = (await world.http.get("/", headers=HTML)).text
        assert ("needs JavaScript" in text) is own
        assert ('<div class="send" data-js hidden>' in text) is own


@pytest.mark.parametrize(
    ("prices", "shown"),
    [
        ('{"1K": 0.13, "2K": 0.13, "4K": 0.24}', ["4K, $0.24", "1K, $0.13", "Default, $0.24", "$0.24 per image"]),
        ("0.135", ["$0.135 per image"]),
    ],
)
async def test_each_resolution_has_its_price(open_world: OpenWorld, prices: str, shown: list[str]) -> None:
    default = f'{{"mode": "webhook", "id": "demo-webhook", "pricePerImage": {prices}}}'
    async with open_world(PLAYGROUND="true", WIREFLOW_WORKFLOWS=f'{{"default": {default}}}') as world:
        text = (await world.http.get("/", headers=HTML)).text
        assert all(words in text for words in shown)


async def test_a_workflow_without_a_price_has_that_of_its_model(open_world: OpenWorld) -> None:
    default = '{"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "overridable": ["resolution"]}'
    async with open_world(PLAYGROUND="true", WIREFLOW_WORKFLOWS=f'{{"default": {default}}}') as world:
        text = (await world.http.get("/", headers=HTML)).text
        assert '<option value="1K" selected>1K, $0.20</option>' in text
        assert "$0.20 per image" in text


@pytest.mark.parametrize(("model", "hidden"), [("nano_banana_2_lite", True), ("nano_banana_pro", False)])
async def test_an_input_image_is_asked_for_only_where_the_model_takes_one(
    open_world: OpenWorld, model: str, hidden: bool
) -> None:
    default = f'{{"mode": "execute", "id": "demo-execute", "model": "{model}"}}'
    async with open_world(PLAYGROUND="true", WIREFLOW_WORKFLOWS=f'{{"default": {default}}}') as world:
        (field,) = [one for one in (await page(world)).all("div") if one.get("id") == "image-field"]
        assert ("hidden" in field) is hidden


async def test_an_error_leads_back_to_the_playground(world: World) -> None:
    response = await world.http.get("/jobs/unknown", headers=HTML)
    assert "/" in [one["href"] for one in Document(response).all("a")]


# --- the page of a job -----------------------------------------------------------------------------------------------


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


async def test_while_copying_fails_the_page_says_why_to_the_owner_only(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        world.vendor.answer("cdn", lambda _call: httpx.Response(503))
        job = (await world.http.post("/", data={"prompt": "a cat"}, headers={"Origin": SHOP})).json()["id"]
        await world.run_for(timedelta(minutes=10))
        pages = [await world.http.get(f"/jobs/{job}", headers={**HTML, **who}) for who in ({}, bearer("admin"))]
        for text in ("could not be copied in", "Check IMAGE_HOSTS", "Copying is retried automatically."):
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
