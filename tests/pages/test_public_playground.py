"""A deployed playground that everyone may use: its own origin is in FORM_ORIGINS."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from selenium.webdriver import Chrome

from tests.pages.conftest import Person
from tests.recipes.browser import SCREENS, screen, soon
from tests.recipes.deployment import Deployment, deployed
from tests.recipes.small_server import Answer, Request, serving
from tests.servers.process import free_port

# What the script of Cloudflare does, which these tests do not load: the response of a challenge is a field of the form.
SOLVE = """
const field = Object.assign(document.createElement("input"), { type: "hidden", name: "cf-turnstile-response" });
document.querySelector(".cf-turnstile").append(field);
window.turnstile = { reset: () => (field.value = "") };
field.value = "solved";"""

RECORD_KEYS = """
const real = window.fetch;
window.keys = [];
window.fetch = (path, options) => {
  if (options?.method === "POST") window.keys.push(options.headers["Idempotency-Key"]);
  return real(path, options);
};"""


@contextmanager
def public(folder: Path, **settings: str) -> Iterator[Deployment]:
    """A deployment with a playground for everyone."""
    port = free_port()
    own = {"PLAYGROUND": "true", "FORM_ORIGINS": f"http://127.0.0.1:{port}", "FORM_PER_MINUTE": "0"}
    with deployed(folder, port=port, **own, **settings) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with public(tmp_path_factory.mktemp("unchecked")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that keeps bots out by form tokens and by a stand-in for Turnstile."""

    def verify(request: Request) -> Answer:
        is_solved = parse_qs(request.body.decode())["response"] == ["solved"]
        return Answer(json.dumps({"success": is_solved, "hostname": "127.0.0.1"}).encode())

    with serving(verify) as url:
        settings = {"TURNSTILE_SECRET": "a-secret-of-turnstile", "TURNSTILE_SITE_KEY": "a-key"}
        settings |= {"FORM_REQUIRE_TOKEN": "true", "TURNSTILE_VERIFY_URL": url}
        with public(tmp_path_factory.mktemp("checked"), **settings) as deployment:
            yield deployment


@pytest.fixture
def visitor(browsers: Callable[[bool], Chrome]) -> Iterator[Callable[..., Person]]:
    """Somebody without a token, at a browser with or without JavaScript that reaches no other site."""
    opened: list[Chrome] = []

    def get(deployment: Deployment, *, javascript: bool) -> Person:
        opened.append(chrome := browsers(javascript))
        chrome.execute_cdp_cmd("Network.enable", {})
        chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["https://challenges.cloudflare.com/*"]})
        return Person(chrome, deployment, javascript=javascript)

    yield get
    for chrome in opened:
        chrome.execute_script("localStorage.clear(); sessionStorage.clear()")


@pytest.mark.slow
@SCREENS
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_everyone_makes_an_image_without_a_token(
    visitor: Callable[..., Person], unchecked: Deployment, javascript: bool, width: int, dark: bool
) -> None:
    person, prompt = visitor(unchecked, javascript=javascript), f"a public heron, {width}, {dark}, {javascript}"
    with screen(person.chrome, width, dark=dark):
        person.opens()
        assert not person.finds("#token")
        person.check()
        person.types(prompt)
        person.chooses("aspect_ratio", "16:9")
        person.sees("#composer .primary").click()
        person.reads(".job .prompt", prompt)
        job = unchecked.finished(prompt)
        person.sees_image(job["id"])
        person.check()
        assert job["caller"] == f"form:{unchecked.trigger}"


@pytest.mark.slow
def test_a_visitor_uses_an_image_as_the_input_of_the_next_one(
    visitor: Callable[..., Person], unchecked: Deployment
) -> None:
    person, prompt = visitor(unchecked, javascript=True), "a public heron that follows another"
    person.opens()
    person.sees_image(person.creates("a public heron that comes first"))
    person.clicks("Use as input")
    person.creates(prompt)
    unchecked.finished(prompt)
    (run,) = unchecked.runs_of(prompt)
    assert run["input"]


@pytest.mark.slow
def test_a_form_token_and_a_solved_challenge_are_sent_along(
    visitor: Callable[..., Person], checked: Deployment
) -> None:
    person, prompt = visitor(checked, javascript=True), "a heron that a person asks for"
    person.opens()
    person.check()
    person.types(prompt)
    person.sees("#composer .primary").click()
    person.reads("#composer .error", "Complete the Turnstile check")
    person.check()
    person.chrome.execute_script(SOLVE)
    person.sees("#composer .primary").click()
    person.reads(".job .prompt", prompt)
    person.sees_image(checked.finished(prompt)["id"])


@pytest.mark.slow
def test_who_types_while_the_form_token_is_awaited_sends_the_key_of_the_request(
    visitor: Callable[..., Person], checked: Deployment
) -> None:
    person, prompt = visitor(checked, javascript=True), "a heron that is changed too late"
    person.opens()
    person.chrome.execute_script(SOLVE)
    person.chrome.execute_script(RECORD_KEYS)
    person.types(prompt)
    person.sees("#composer .primary").click()
    person.sees("#prompt").send_keys(" for this request")
    assert person.chrome.execute_script("return window.keys") == []  # the form token is awaited
    person.reads(".job .prompt", prompt)
    (key,) = person.chrome.execute_script("return window.keys")
    assert re.fullmatch("[0-9a-f]{32}", key)
    checked.finished(prompt)


@pytest.mark.slow
@SCREENS
def test_without_javascript_a_form_that_needs_it_says_so_and_has_no_button(
    visitor: Callable[..., Person], checked: Deployment, width: int, dark: bool
) -> None:
    person = visitor(checked, javascript=False)
    with screen(person.chrome, width, dark=dark):
        person.opens()
        person.reads(".problem", "needs JavaScript")
        assert not person.finds("#composer button")
        person.check()


@pytest.mark.slow
def test_a_visitor_creates_an_image_of_another_browser_again_with_its_options(
    visitor: Callable[..., Person], unchecked: Deployment
) -> None:
    person, prompt = visitor(unchecked, javascript=True), "a heron of another browser"
    fields = {"prompt": prompt, "aspect_ratio": "9:16"}
    unchecked.http.post(unchecked.trigger, data=fields, headers={"Origin": unchecked.trigger}).raise_for_status()
    job = unchecked.finished(prompt)
    person.opens(f"/jobs/{job['id']}")
    person.clicks("Create again")
    person.reads("dialog", "Create this image again?")
    assert person.sees('[name="aspect_ratio"]').get_property("value") == "9:16"
    person.clicks("Create it")
    soon(person.chrome, lambda _: len(unchecked.jobs_of(prompt)) == 2)
