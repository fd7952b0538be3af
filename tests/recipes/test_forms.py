"""The recipe "Web form", pasted into a page and used in Chromium."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

from tests.recipes.browser import SCREENS, check_page, image, screen, set_javascript, soon
from tests.recipes.readme_blocks import blocks, filled_in
from tests.recipes.visitors import FORM, PAGE, SCRIPT, Visitor

TWO_FORMS = """<form action="{trigger}/" method="post" data-wireflow-images><p id="help">In English, please.</p>
<label>First <input name="prompt" aria-describedby="help"></label> <input type="submit" value="Create"></form>
<form action="{trigger}/" method="post" data-wireflow-images>
<label>Second <input name="prompt"></label> <button>Create</button></form>"""
LOSE_THE_FIRST_ANSWER = """
const real = window.fetch;
window.fetch = async (...request) => {
  const response = await real(...request);
  if (request[1]?.method !== "POST") return response;
  window.fetch = real;
  throw new TypeError("the connection is broken");
};"""
NO_REFERRER = '<meta name="referrer" content="no-referrer">'


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(FORM,), (FORM, SCRIPT)], ids=["the form", "the form and its script"])
def test_without_javascript_it_ends_with_the_image_on_the_page_of_the_job(
    plain_visitor: Visitor, parts: tuple[int, ...]
) -> None:
    prompt = f"a heron without JavaScript, {len(parts)}"
    plain_visitor.opens(*parts)
    assert plain_visitor.chrome.find_element(By.ID, "without").is_displayed()
    plain_visitor.types(prompt)
    plain_visitor.clicks()
    assert plain_visitor.sees_its_image(prompt)
    assert plain_visitor.chrome.current_url.startswith(f"{plain_visitor.deployment.trigger}/jobs/")


def test_with_javascript_it_ends_with_the_image_on_the_same_page(visitor: Visitor) -> None:
    prompt = "a heron with JavaScript & a “quotation”"
    visitor.opens(FORM, SCRIPT)
    visitor.types(prompt)
    visitor.clicks()
    assert visitor.sees_its_image(prompt)
    assert visitor.chrome.current_url == f"{visitor.site.allowed}/page"
    assert visitor.deployment.finished(prompt)["caller"] == f"form:{visitor.site.allowed}"


@pytest.mark.slow
def test_the_file_is_what_the_run_begins_with(visitor: Visitor, tmp_path: Path) -> None:
    prompt, file = "the same heron at night", tmp_path / "heron.png"
    Image.new("RGB", (64, 48), "red").save(file)
    visitor.opens(FORM, SCRIPT)
    visitor.types(prompt)
    visitor.chrome.find_element(By.NAME, "image1").send_keys(str(file))
    visitor.clicks()
    assert visitor.sees_its_image(prompt)
    (run,) = visitor.deployment.runs_of(prompt)
    assert run["input"]


@pytest.mark.slow
def test_a_double_click_makes_one_job(visitor: Visitor) -> None:
    prompt = "a heron that was clicked twice"
    visitor.opens(FORM, SCRIPT)
    visitor.types(prompt)
    button = visitor.chrome.find_element(By.CSS_SELECTOR, "#image-form button")
    ActionChains(visitor.chrome).double_click(button).perform()
    assert visitor.sees_its_image(prompt)


@pytest.mark.slow
def test_another_try_after_a_broken_connection_is_the_same_job(visitor: Visitor) -> None:
    prompt = "a heron whose first answer was lost"
    visitor.opens(FORM, SCRIPT)
    visitor.chrome.execute_script(LOSE_THE_FIRST_ANSWER)
    visitor.types(prompt)
    visitor.clicks()
    visitor.reads(lambda text: text == "The connection was lost. Please try again.")
    assert len(visitor.deployment.jobs_of(prompt)) == 1
    visitor.clicks()
    assert visitor.sees_its_image(prompt)


@pytest.mark.slow
def test_a_job_is_followed_again_when_a_lost_connection_is_back(visitor: Visitor) -> None:
    prompt = "a heron, and a lost connection"
    visitor.opens(FORM, SCRIPT)
    visitor.types(prompt)
    visitor.clicks()
    soon(visitor.chrome, lambda _: visitor.deployment.jobs_of(prompt))
    status = visitor.chrome.find_element(By.CSS_SELECTOR, ".wireflow-images [role=status]")
    soon(visitor.chrome, lambda _: status.text not in ("", "Sending…"))
    visitor.chrome.set_network_conditions(offline=True, latency=0, download_throughput=0, upload_throughput=0)
    try:
        soon(visitor.chrome, lambda _: "The connection is lost." in status.text)
    finally:
        visitor.chrome.delete_network_conditions()
    assert visitor.sees_its_image(prompt)


@pytest.mark.slow
def test_a_second_image_is_a_second_job(visitor: Visitor) -> None:
    visitor.opens(FORM, SCRIPT)
    for prompt in ("a first heron", "a first heron and another"):
        visitor.types(prompt.removeprefix("a first heron") or prompt)
        visitor.clicks()
        soon(visitor.chrome, lambda chrome: (shown := image(chrome)) and shown.get_attribute("alt") == prompt)  # noqa: B023 - used at once
    assert visitor.deployment.finished("a first heron")["id"] != visitor.deployment.finished(prompt)["id"]


@pytest.mark.slow
def test_what_went_wrong_is_said_beside_the_field_and_the_next_try_is_a_new_one(visitor: Visitor) -> None:
    visitor.opens(FORM, SCRIPT)
    visitor.types("   ")
    visitor.clicks()
    button = visitor.chrome.find_element(By.CSS_SELECTOR, "#image-form button")
    assert (button.text, button.is_enabled()) == ("Sending…", False)
    assert (
        visitor.reads(lambda text: "blank" in text)
        == "The prompt is missing or blank. Send a text that describes the image."
    )
    area = visitor.chrome.find_element(By.NAME, "prompt")
    error = visitor.chrome.find_element(By.ID, area.get_attribute("aria-describedby") or "")
    assert area == visitor.chrome.switch_to.active_element
    assert 0 < error.rect["y"] - area.rect["y"] < 2 * area.rect["height"]
    assert (button.text, button.is_enabled()) == ("Create image", True)
    visitor.types("then a heron")
    visitor.clicks()
    assert visitor.sees_its_image("   then a heron")


@pytest.mark.slow
@SCREENS
def test_without_javascript_an_error_is_a_page_with_the_form_again(
    plain_visitor: Visitor, width: int, dark: bool
) -> None:
    chrome, more = plain_visitor.chrome, f"then a heron on a page, {width}, {dark}"
    with screen(chrome, width, dark=dark):
        plain_visitor.opens(FORM)
        plain_visitor.types("   ")
        plain_visitor.clicks()
        area = soon(
            chrome, lambda chrome: urlsplit(chrome.current_url).path == "/" and chrome.find_element(By.NAME, "prompt")
        )
        assert "blank" in chrome.find_element(By.TAG_NAME, "body").text
        assert chrome.find_element(By.TAG_NAME, "a").get_attribute("href") == f"{plain_visitor.site.allowed}/"
        set_javascript(chrome, on=True)  # for axe
        check_page(chrome)
        set_javascript(chrome, on=False)
        area.send_keys(more)
        chrome.find_element(By.TAG_NAME, "button").click()
        assert plain_visitor.sees_its_image(f"   {more}")


@pytest.mark.slow
def test_a_job_that_fails_says_why_on_the_page(visitor: Visitor) -> None:
    visitor.opens(FORM, SCRIPT)
    visitor.types("a heron [fault:moderation]")
    visitor.clicks()
    assert "Change the prompt" in visitor.reads(lambda text: "Change" in text)


@pytest.mark.slow
@SCREENS
def test_errors_and_all_images_of_a_job_are_clear_to_everyone_on_every_screen(
    visitor: Visitor, width: int, dark: bool
) -> None:
    prompt = f"herons at {width}, {dark} [fault:several_images]"
    with screen(visitor.chrome, width, dark=dark):
        visitor.opens(FORM, SCRIPT)
        check_page(visitor.chrome)
        visitor.types(" ")
        visitor.clicks()
        visitor.reads(lambda text: "blank" in text)
        check_page(visitor.chrome)
        visitor.types(prompt)
        visitor.clicks()
        images = soon(visitor.chrome, lambda chrome: chrome.find_elements(By.CSS_SELECTOR, ".wireflow-images img"))
        job = visitor.deployment.finished(f" {prompt}")
        assert [one.get_attribute("src") for one in images] == job["imageUrls"]
        assert len(images) > 1
        check_page(visitor.chrome)


@pytest.mark.slow
def test_each_form_of_a_page_has_its_own_error_beside_what_the_page_says_itself(visitor: Visitor) -> None:
    chrome, trigger = visitor.chrome, visitor.deployment.trigger
    body = TWO_FORMS.format(trigger=trigger) + filled_in(blocks("Web form", "html")[SCRIPT], trigger)
    visitor.site.pages["/page"] = PAGE.format(head="", body=body).encode()
    chrome.get(f"{visitor.site.allowed}/page")
    fields = chrome.find_elements(By.NAME, "prompt")
    buttons = chrome.find_elements(By.CSS_SELECTOR, "[type=submit], button")
    for field_, button in zip(fields, buttons, strict=True):
        field_.send_keys(" ")
        button.click()
        soon(chrome, lambda _: field_.get_attribute("aria-invalid"))  # noqa: B023 - used at once
    described = [str(one.get_attribute("aria-describedby")).split() for one in fields]
    assert (described[0][0], len(described[0]), len(described[1])) == ("help", 2, 1)
    assert described[0][1] != described[1][0]
    assert buttons[0].get_attribute("value") == "Create"
    check_page(chrome)


@pytest.mark.slow
def test_the_honeypot_is_invisible_and_a_program_that_fills_it_in_makes_no_job(visitor: Visitor) -> None:
    prompt = "a heron that a program asks for"
    visitor.opens(FORM)
    visitor.types(prompt)
    trap = visitor.chrome.find_element(By.NAME, "website")
    assert trap.rect["x"] + trap.rect["width"] < 0
    visitor.chrome.execute_script("arguments[0].value = 'https://spam.example'", trap)
    visitor.clicks()
    soon(visitor.chrome, lambda chrome: "/jobs/" in chrome.current_url)
    assert visitor.deployment.jobs_of(prompt) == []


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(FORM,), (FORM, SCRIPT)], ids=["plain", "with its script"])
def test_from_another_origin_nothing_is_stored(visitor: Visitor, parts: tuple[int, ...]) -> None:
    prompt = f"a heron from elsewhere, {len(parts)}"
    visitor.opens(*parts, origin=visitor.site.foreign)
    refused_in_a_browser(visitor, prompt, parts)
    assert_nothing_was_made(visitor, prompt)


@pytest.mark.slow
def test_a_page_without_referrer_is_refused_as_a_foreign_one(visitor: Visitor) -> None:
    prompt = "a heron from nowhere"
    visitor.opens(FORM, head=NO_REFERRER)
    refused_in_a_browser(visitor, prompt, (FORM,))
    assert_nothing_was_made(visitor, prompt)


def refused_in_a_browser(visitor: Visitor, prompt: str, parts: tuple[int, ...]) -> None:
    visitor.types(prompt)
    visitor.clicks()
    if SCRIPT in parts:
        visitor.reads(lambda text: "The connection was lost" in text)
        return
    soon(visitor.chrome, lambda chrome: urlsplit(chrome.current_url).path == "/")
    assert "Error code: unauthorized" in visitor.chrome.find_element(By.TAG_NAME, "body").text
    assert visitor.chrome.find_element(By.TAG_NAME, "textarea").get_attribute("value") == prompt
    assert not visitor.chrome.find_elements(By.TAG_NAME, "button")


def assert_nothing_was_made(visitor: Visitor, prompt: str) -> None:
    assert visitor.deployment.jobs_of(prompt) == []
    assert visitor.deployment.runs_of(prompt) == []
