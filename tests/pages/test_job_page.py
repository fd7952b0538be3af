"""The page of a job in Chromium, and a playground that asks for a token."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.pages.conftest import TOKEN, Person, sha256
from tests.recipes.browser import SCREENS, screen, soon
from tests.recipes.deployment import ADMIN_TOKEN, Deployment, deployed

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment whose playground asks for a token."""
    tokens = {"person": sha256(TOKEN), "admin": {"sha256": sha256(ADMIN_TOKEN), "admin": True}}
    settings = {"TRIGGER_TOKENS": json.dumps(tokens), "PLAYGROUND": "true", "FORM_ORIGINS": "https://shop.example"}
    with deployed(tmp_path_factory.mktemp("guarded"), **settings) as deployment:
        yield deployment


@pytest.fixture
def caller(browsers: Callable[[bool], Chrome], guarded: Deployment) -> Iterator[Person]:
    """Somebody who has a token."""
    chrome = browsers(True)
    yield Person(chrome, guarded)
    chrome.execute_script("localStorage.clear(); sessionStorage.clear()")


def post(deployment: Deployment, prompt: str, **headers: str) -> Any:
    return deployment.http.post(deployment.trigger, data={"prompt": prompt}, headers=headers).json()["id"]


def test_the_page_follows_its_job_without_reloading_itself(person: Person) -> None:
    job_id = post(person.deployment, "a heron that is followed")
    person.opens(f"/jobs/{job_id}")
    person.chrome.execute_script("window.stays = true")
    person.check()
    person.sees_image(job_id)
    soon(person.chrome, lambda chrome: chrome.title == "Your image")
    assert person.chrome.execute_script("return window.stays")
    assert person.sees("h1").text == "Your image"
    person.check()


@pytest.mark.slow
@SCREENS
def test_every_state_of_a_job_is_clear_to_everyone_on_every_screen(person: Person, width: int, dark: bool) -> None:
    with screen(person.chrome, width, dark=dark):
        for prompt, status in (("herons [fault:several_images]", "succeeded"), ("[fault:moderation] heron", "failed")):
            job_id = post(person.deployment, prompt)
            person.opens(f"/jobs/{job_id}")
            person.check()
            person.sees(f'.job[data-status="{status}"]')
            person.check()
        person.opens("/jobs/nowhere")
        person.check()
        assert "Something went wrong" in person.sees("h1").text


@pytest.mark.slow
@SCREENS
def test_without_javascript_the_page_reloads_itself_until_the_job_is_final(
    plain_person: Person, width: int, dark: bool
) -> None:
    with screen(plain_person.chrome, width, dark=dark):
        for prompt, status in (("a heron without JavaScript", "succeeded"), ("[fault:moderation] heron", "failed")):
            job_id = post(plain_person.deployment, prompt)
            plain_person.opens(f"/jobs/{job_id}")
            assert plain_person.finds(".stages")
            plain_person.sees(f'.job[data-status="{status}"]')
            assert not plain_person.finds(".stages")
            assert not plain_person.finds("button")
            plain_person.check()
        plain_person.opens("/jobs/nowhere")
        plain_person.check()


@pytest.mark.slow
def test_a_page_of_the_playground_leads_back_to_it(person: Person) -> None:
    job_id = post(person.deployment, "a heron to go back from")
    person.opens(f"/jobs/{job_id}")
    person.sees_image(job_id)
    person.clicks("Use as input")
    person.reads("#input", "An image of an earlier job")
    assert person.chrome.current_url == f"{person.deployment.trigger}/"
    person.opens(f"/jobs/{job_id}")
    person.clicks("Create again")
    person.reads("dialog", "Create this image again?")
    assert person.sees("#prompt").get_property("value") == "a heron to go back from"


@pytest.mark.slow
@SCREENS
def test_a_deployed_playground_asks_for_a_token_and_keeps_it_in_the_tab(caller: Person, width: int, dark: bool) -> None:
    with screen(caller.chrome, width, dark=dark):
        caller.opens()
        caller.check()
        caller.sees("#token").send_keys("wrong")
        caller.types("a heron with a token")
        caller.reads("#token-field .error", "not accepted")
        caller.check()
        caller.sees("#token").clear()
        caller.sees("#token").send_keys(TOKEN)
        job_id = caller.creates(f"a heron with a token, {width}, {dark}")
        caller.reads("#token-field", "Accepted")
        caller.sees_image(job_id)
        assert caller.deployment.finished(f"a heron with a token, {width}, {dark}")["caller"] == "person"
        caller.opens()
        assert caller.sees("#token").get_property("value") == TOKEN
        caller.opens(f"/jobs/{job_id}")
        caller.sees_image(job_id)
        assert caller.chrome.execute_script("return localStorage.getItem('wireflow-images-token')") is None


@pytest.mark.slow
@SCREENS
def test_the_page_of_a_private_job_opens_with_the_token_of_its_caller(caller: Person, width: int, dark: bool) -> None:
    with screen(caller.chrome, width, dark=dark):
        job_id = post(caller.deployment, "a private heron", **BEARER)
        caller.opens(f"/jobs/{job_id}")
        caller.check()
        assert "private heron" not in caller.chrome.page_source
        caller.sees("#token").send_keys("wrong")
        caller.clicks("Continue")
        caller.reads(".error", "does not open the job")
        caller.check()
        caller.sees("#token").clear()
        caller.sees("#token").send_keys(TOKEN)
        caller.clicks("Continue")
        caller.reads(".prompt", "a private heron")
        caller.sees_image(job_id)
        caller.check()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/jobs/{id}", "/"])
def test_a_failed_job_is_retried_after_its_price_is_confirmed(person: Person, path: str) -> None:
    prompt = f"a heron on {path} [fault:moderation]"
    person.opens()
    job_id = person.creates(prompt)
    person.sees('.job[data-status="failed"]')
    if path != "/":
        person.opens(path.format(id=job_id))
    person.clicks("Retry")
    person.reads("dialog", "A retry is a new paid run. It costs about $0.20.")
    person.check()
    person.sees("dialog .primary").click()
    soon(person.chrome, lambda _: person.deployment.jobs_of(prompt)[0]["attempt"] == 2)
    person.sees('.job[data-status="failed"][data-attempt="2"]')
    assert len(person.deployment.jobs_of(prompt)) == 1


@pytest.mark.slow
@SCREENS
def test_without_javascript_a_deployed_playground_takes_a_token_and_leads_to_the_image(
    browsers: Callable[[bool], Chrome], guarded: Deployment, width: int, dark: bool
) -> None:
    person, prompt = (
        Person(browsers(False), guarded, javascript=False),
        f"a private heron without JavaScript, {width}, {dark}",
    )
    with screen(person.chrome, width, dark=dark):
        person.opens()
        person.check()
        person.sees("#token").send_keys(TOKEN)
        person.types(prompt)
        person.sees("#composer .primary").click()
        soon(person.chrome, lambda chrome: "/jobs/" in chrome.current_url)
        assert not person.finds("#token")
        person.check()
        job = guarded.finished(prompt)
        assert job["caller"] == "person"
        person.clicks("open the image")
        soon(person.chrome, lambda chrome: chrome.current_url.endswith(f"/jobs/{job['id']}/image"))
