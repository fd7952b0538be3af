"""Visitors of a form get pages in neutral words, with the status of the problem; the operator gets the detail."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, cast

import httpx
import pytest

from functions.trigger.responses.problems import WORDS
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError
from shared.job_states import Status
from shared.ports import JobStore
from shared.problems import PROBLEMS
from shared.public_job import visitor_message
from tests.harness.lossy import LossyJobs
from tests.harness.world import NOON, World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, BROWSER, SHOP, bearer

NO_ONE = "0" * 32
PROMPT = "\n\"><script>alert(1)</script></textarea> & 'quotes'"
TOO_LONG = "x" * 4_001
FOR_OPERATORS = re.compile(r"[A-Z]{3,}_|Wireflow|credit|JSON|Bearer|header|token", re.IGNORECASE)


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.text = self.prompt = ""
        self.form: dict[str, str | None] = {}
        self.fields: dict[str, str | None] = {}
        self.links: list[str | None] = []
        self.tags: set[str] = set()
        self._in = ""
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._in = tag
        self.tags.add(tag)
        if tag == "form":
            self.form = attributes
        elif tag == "input":
            self.fields[attributes["name"] or ""] = attributes.get("value")
        elif tag == "a":
            self.links.append(attributes["href"])

    def handle_endtag(self, _tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "textarea":
            self.prompt += data.removeprefix("\n") if not self.prompt else data
        elif self._in != "style":
            self.text += data


@pytest.fixture
async def guarded(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(**AUTH) as opened:
        yield opened


def page_of(response: httpx.Response, status: int, *, scripted: bool = False) -> Page:
    """Check that the response is a page that runs nothing, or only our module; return it."""
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert response.headers["cache-control"] == "no-store"
    assert "accept" in response.headers["vary"].lower()
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert ("script-src 'self';" in policy) is scripted
    assert ("script-src" in policy) is scripted
    page = Page(response)
    assert ("script" in page.tags) is scripted
    assert not FOR_OPERATORS.search(page.text.replace("Error code: " + page.text.partition("Error code: ")[2], ""))
    return page


async def post(world: World, fields: dict[str, Any], **headers: str) -> httpx.Response:
    return await world.http.post("/", data=fields, headers={**BROWSER, **headers})


# --- every response ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 405),
        ("GET", "/nothing", 404),
        ("GET", f"/jobs/{NO_ONE}", 404),
        ("DELETE", f"/jobs/{NO_ONE}", 404),
        ("GET", f"/jobs/{NO_ONE}/image", 404),
        ("GET", "/jobs", 401),
        ("GET", "/workflows?token=x", 400),
        ("GET", "/form-token", 403),
    ],
)
async def test_every_error_is_a_page_for_a_browser_and_a_document_for_a_program(
    guarded: World, method: str, path: str, status: int
) -> None:
    page = page_of(await guarded.http.request(method, path, headers={"Accept": BROWSER["Accept"]}), status)
    assert page.form == {}
    for accept in ("*/*", "application/json", "text/html;q=0, */*"):
        response = await guarded.http.request(method, path, headers={"Accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        assert "accept" in response.headers["vary"].lower()
        assert response.json()["errorCode"] in page.text


async def test_a_page_keeps_the_headers_of_its_problem(guarded: World) -> None:
    response = await guarded.http.get("/", headers={"Accept": "text/html"})
    assert response.headers["allow"] == "POST"
    for _ in range(5):
        await post(guarded, {"prompt": "a cat"})
    response = await post(guarded, {"prompt": PROMPT})
    assert page_of(response, 429).prompt == PROMPT
    assert int(response.headers["retry-after"]) <= 60


def test_there_are_words_for_every_problem() -> None:
    assert WORDS.keys() == PROBLEMS.keys()
    assert not [words for words in WORDS.values() if FOR_OPERATORS.search(words)]


# --- the form again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"prompt": PROMPT, "workflow": "unknown"}, 422),
        ({"prompt": PROMPT, "deadlineSeconds": "soon"}, 422),
        ({"prompt": PROMPT, "redirectUrl": "https://evil.example"}, 422),
        ({"prompt": PROMPT, "metadata": "x"}, 422),
        ({"prompt": TOO_LONG}, 422),
        ({"prompt": ["a cat", "a dog"]}, 422),
    ],
)
@pytest.mark.parametrize("way", ["urlencoded", "multipart"])
async def test_the_prompt_is_not_lost(guarded: World, way: str, fields: dict[str, Any], status: int) -> None:
    pairs = [(n, v) for n, value in fields.items() for v in (value if isinstance(value, list) else [value])]
    content = {"files": [(n, (None, v)) for n, v in pairs]} if way == "multipart" else {"data": fields}
    page = page_of(await guarded.http.post("/", **content, headers=BROWSER), status)  # type: ignore[arg-type]
    assert page.prompt == dict(reversed(pairs))["prompt"]
    assert (page.form["method"], page.form["action"]) == ("post", "/")


async def test_the_form_on_the_page_makes_the_job_that_was_meant(guarded: World) -> None:
    fields = {"prompt": " ", "style": '"noir"', "redirectUrl": f"{SHOP}/thanks", "formToken": "", "website": ""}
    fields |= {"submit": "Send", "idempotencyKey": "a-key-of-a-browser-1"}
    response = await post(guarded, fields)
    page = page_of(response, 422)
    assert page.fields == {"style": '"noir"', "redirectUrl": f"{SHOP}/thanks", "submit": "Send"}
    assert f"form-action 'self' {SHOP};" in response.headers["content-security-policy"]
    assert response.headers["referrer-policy"] == "same-origin"  # else browsers send `Origin: null`
    again = await post(guarded, {**page.fields, "prompt": "a cat"}, Origin="https://images.test")
    assert again.status_code == 303
    job = await guarded.job(again.headers["location"].partition("jobId=")[2])
    assert (job["prompt"], job["caller"]) == ("a cat", "form:https://images.test")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"data": {"Prompt": "a cat"}}, 'the request has "Prompt"'),
        ({"data": {"prompt": ["a cat", "a dog"]}}, "sent 2 times"),
        ({"data": {"data[prompt]": "a cat"}}, "data[prompt]"),
        ({"data": {"prompt": "a cat"}, "files": [("image1", ("a.png", b"x"))] * 2}, "one file"),
        ({"data": {"prompt": "a cat", "image1": "x"}, "files": {"image1": ("a.png", encoded("png", 8, 8))}}, "both"),
    ],
)
async def test_a_mistake_of_the_form_is_not_explained_to_its_visitor(
    guarded: World, content: dict[str, Any], detail: str
) -> None:
    page = page_of(await guarded.http.post("/", **content, headers=BROWSER), 422)
    assert WORDS["unsupported_media_type"] in page.text
    assert detail not in page.text
    (line,) = guarded.log("request_rejected")
    assert detail in line["message"]


async def test_a_file_has_to_be_chosen_again(guarded: World) -> None:
    files = {"image1": ("cat.svg", b"<svg/>", "image/svg+xml")}
    response = await guarded.http.post("/", data={"prompt": "a cat"}, files=files, headers=BROWSER)
    page = page_of(response, 422)
    assert (page.prompt, page.fields, page.form["enctype"]) == ("a cat", {"image1": None}, "multipart/form-data")
    assert "not an image" in page.text


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://images.test.evil.example", "http://shop.example"]
)
async def test_our_page_does_not_admit_forms_of_other_origins(guarded: World, origin: str) -> None:
    page = page_of(await post(guarded, {"prompt": PROMPT}, Origin=origin), 401)
    assert (page.prompt, page.form) == (PROMPT, {})


async def test_without_form_origins_our_own_origin_is_no_form(open_world: OpenWorld) -> None:
    async with open_world(TRIGGER_TOKENS=AUTH["TRIGGER_TOKENS"]) as world:
        page = page_of(await post(world, {"prompt": "a cat"}, Origin="https://images.test"), 401)
        assert page.form == {}


async def test_with_public_url_only_that_origin_is_our_own(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, PUBLIC_URL="https://public.test") as world:
        assert (await post(world, {"prompt": "a cat"}, Origin="https://public.test")).status_code == 303
        assert (await post(world, {"prompt": "a cat"}, Origin="https://images.test")).status_code == 401


async def test_a_form_that_needs_a_script_is_not_offered_without_one(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, FORM_REQUIRE_TOKEN="true") as world:
        page = page_of(await post(world, {"prompt": PROMPT}), 422)
        assert (page.prompt, page.form) == (PROMPT, {})


@pytest.mark.parametrize(
    ("referer", "linked"),
    [
        (f"{SHOP}/", True),
        (f'{SHOP}/form?a="><b>', True),
        ("https://evil.example/", False),
        (f"{SHOP}.evil.example/", False),
        (f"{SHOP}@evil.example/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
async def test_the_page_leads_back_to_an_allowed_form_only(guarded: World, referer: str, linked: bool) -> None:
    response = await post(guarded, {"prompt": ""}, Referer=referer)
    assert page_of(response, 422).links == ([referer] if linked else [])


# --- the operator's words ------------------------------------------------------------------------------------------


async def test_the_operator_finds_in_the_log_what_the_page_does_not_say(guarded: World) -> None:
    page = page_of(await post(guarded, {"prompt": "a cat", "workflow": "unknown"}), 422)
    assert "workflow" not in page.text
    (line,) = guarded.log("request_rejected")
    assert (line["errorCode"], line["httpStatus"], line["field"]) == ("invalid_field", 422, "workflow")
    assert "no workflow" in line["message"].lower()


@pytest.mark.parametrize("name", ["x" * 300_000, "my text"])
async def test_a_name_that_a_visitor_wrote_does_not_fill_the_log(open_world: OpenWorld, name: str) -> None:
    pro = {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro"}
    async with open_world(**AUTH, WIREFLOW_WORKFLOWS=json.dumps({"pro": pro})) as world:
        page_of(await post(world, {"prompt": "a cat", "workflow": "pro", name: "1"}), 422)
        (line,) = world.log("request_rejected")
        assert (line["field"], len(json.dumps(line)) < 2_000) == (None, True)


async def test_a_failure_of_the_store_is_a_page_too(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, wrap=lambda store: cast("JobStore", LossyJobs(store, "get"))) as world:
        response = await world.http.get(f"/jobs/{NO_ONE}", headers={"Accept": "text/html"})
        page_of(response, 503)
        assert response.headers["retry-after"] == "5"


async def test_an_unexpected_error_is_a_page_too(guarded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.trigger.routes.submit.accept", lambda *_: 1 / 0)
    assert page_of(await post(guarded, {"prompt": PROMPT}), 500).prompt == PROMPT
    (line,) = guarded.log("internal_error")
    assert line["severity"] == "ERROR"


async def test_a_job_that_waits_for_credits_says_so_to_its_owner_only(guarded: World) -> None:
    guarded.vendor.always("trigger", 402, {"error": "Insufficient credits", "insufficientCredits": True})
    visitors = (await guarded.http.post("/", data={"prompt": "a cat"}, headers={"Origin": SHOP})).json()["id"]
    owners = (await guarded.http.post("/", json={"prompt": "a dog"}, headers=bearer("zap"))).json()["id"]
    await guarded.run_window()
    owned = (await guarded.http.get(f"/jobs/{owners}", headers=bearer("zap"))).json()
    shown = (await guarded.http.get(f"/jobs/{visitors}")).json()
    page = page_of(await guarded.http.get(f"/jobs/{visitors}", headers=BROWSER), 200, scripted=True)
    assert owned["waitReason"] == shown["waitReason"] == "insufficient_credits"
    assert "credits" in owned["message"]
    assert shown["message"] == "Your image is queued. It takes longer than expected."
    assert shown["message"] in page.text
    (failed,) = await guarded.end_of(visitors, patience=timedelta(hours=80))
    page = page_of(await guarded.http.get(f"/jobs/{visitors}", headers=BROWSER), 200, scripted=True)
    assert failed["message"] in page.text
    assert (failed["errorCode"], failed["errorHint"] in page.text) == ("insufficient_credits", False)
    page_of(await guarded.http.get(f"/jobs/{visitors}/image", headers={"Accept": "text/html"}), 410)


@pytest.mark.parametrize("code", ErrorCode)
def test_visitors_are_told_nothing_of_the_deployment(code: ErrorCode) -> None:
    job = Job(id=NO_ONE, status=Status.QUEUED, prompt="a cat", created_at=NOON, expire_at=NOON, give_up_at=NOON)
    failed = job.failed(JobError.of(code, charged=Charged.NO, message="WIREFLOW_API_KEY"), NOON)
    assert not FOR_OPERATORS.search(visitor_message(failed, None, None) + visitor_message(job, code, None))


@pytest.mark.parametrize("code", ErrorCode)
def test_a_hint_never_says_to_send_the_same_request_again(code: ErrorCode) -> None:
    """The same key gets the same failed job."""
    hint = EXPLANATIONS[code].failed_hint
    assert not re.search(r"send (the|it|your) .*again|retry the (job|request)|try again", hint, re.IGNORECASE)
    if re.search(r"\bsend\b", hint, re.IGNORECASE):
        assert "new Idempotency-Key" in hint
