"""The playground as the server renders it."""

from collections.abc import AsyncIterator

import pytest

from tests.harness.world import LOCAL_URL, World
from tests.steps.conftest import OpenWorld
from tests.steps.rendered import HTML, Document, page
from tests.steps.test_callers import AUTH, SHOP

TURNSTILE = {"TURNSTILE_SECRET": "0x4-turnstile-secret", "TURNSTILE_SITE_KEY": "0x4AAA"}


@pytest.fixture
async def world(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(PLAYGROUND="true") as opened:
        yield opened


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


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
async def test_only_a_browser_gets_the_playground(world: World, accept: str) -> None:
    response = await world.http.get("/", headers={"Accept": accept})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await world.http.get("/", headers=HTML)).headers["vary"].startswith("Accept")


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
