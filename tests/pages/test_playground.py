"""The playground in Chromium."""

import base64
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from tests.pages.conftest import Person
from tests.recipes.browser import SCREENS, screen, soon

PASTE = """
const given = new DataTransfer();
const bytes = Uint8Array.from(atob(arguments[1]), (character) => character.charCodeAt(0));
given.items.add(new File([bytes], "heron.png", { type: "image/png" }));
const event = arguments[0] === "paste"
  ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
  : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
document.querySelector("#prompt").dispatchEvent(event);"""


@pytest.fixture
def heron(tmp_path: Path) -> Path:
    file = tmp_path / "heron.png"
    Image.new("RGB", (64, 48), "red").save(file)
    return file


def test_a_prompt_becomes_an_image_on_the_same_page(person: Person) -> None:
    person.opens()
    person.check()
    job_id = person.creates('a heron & a "quotation"')
    person.sees_image(job_id)
    person.check()
    assert person.chrome.current_url == f"{person.deployment.trigger}/"
    job = person.deployment.finished('a heron & a "quotation"')
    assert (job["id"], job["status"]) == (job_id, "succeeded")
    for entry in person.chrome.get_log("browser"):
        assert entry["level"] != "SEVERE", entry


@pytest.mark.slow
@SCREENS
def test_every_state_is_clear_to_everyone_on_every_screen(person: Person, width: int, dark: bool) -> None:
    with screen(person.chrome, width, dark=dark):
        person.opens()
        person.check()
        person.creates("   a heron in a while [fault:several_images]")
        person.check()
        person.sees_image(str(person.sees(".job").get_attribute("data-job")))
        person.check()
        person.clicks("Use as input")
        person.check()
        person.clicks("Remove")
        person.clicks("Create again")
        person.sees("dialog[open]")
        person.check()
        person.clicks("Cancel")
        person.types("   ")
        person.sees("#composer .primary").click()
        person.sees(".error")
        person.check()
        person.creates("a heron [fault:moderation]")
        person.sees('.job[data-status="failed"] .problem')
        person.check()
        person.chooses("workflow", "pro")
        person.check()


@pytest.mark.slow
@SCREENS
def test_without_javascript_the_form_leads_to_the_page_of_the_job(
    plain_person: Person, heron: Path, width: int, dark: bool
) -> None:
    prompt = f"a heron without JavaScript, {width}, {dark}"
    with screen(plain_person.chrome, width, dark=dark):
        plain_person.opens()
        assert not plain_person.finds("#hints")
        plain_person.check()
        plain_person.types("   ")
        plain_person.sees("#composer .primary").click()
        plain_person.reads('[role="alert"]', "The prompt is missing or blank.")
        plain_person.check()
        plain_person.opens()
        plain_person.types(prompt)
        plain_person.chooses("aspect_ratio", "16:9")
        plain_person.sees("#image1").send_keys(str(heron))
        plain_person.sees("#composer .primary").click()
        soon(plain_person.chrome, lambda chrome: "/jobs/" in chrome.current_url)
        assert plain_person.sees(f'figure img[alt="{prompt}"]').get_property("naturalWidth") != 0
        assert plain_person.finds("a[download]")
        plain_person.check()
    plain_person.deployment.finished(prompt)
    (run,) = plain_person.deployment.runs_of(prompt)
    assert run["input"]


@pytest.mark.slow
def test_it_can_be_used_by_keyboard_alone(person: Person) -> None:
    person.opens()
    person.sees("#hints")

    def press(*keys: str) -> None:
        ActionChains(person.chrome).send_keys(*keys).perform()

    press(Keys.TAB, "A poster", Keys.TAB * 3, Keys.ENTER, Keys.TAB * 2)
    assert person.chrome.switch_to.active_element.text == "with the text “Hello” in bold letters"
    press(Keys.ENTER, "Herons")  # the words in the quotation marks are selected
    assert person.sees("#prompt").get_property("value") == "A poster, with the text “Herons” in bold letters"
    ActionChains(person.chrome).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    person.reads(".job .prompt", "with the text “Herons”")
    assert person.chrome.switch_to.active_element.get_attribute("id") == "result"


@pytest.mark.slow
def test_each_kind_of_idea_adds_to_the_prompt(person: Person) -> None:
    person.opens()
    person.types("A heron")
    for kind, idea in (("Style", "cinematic lighting"), ("Phrasing", "a clear blue sky"), ("Composition", "wide shot")):
        person.clicks(kind)
        person.clicks(idea)
    written = person.sees("#prompt").get_property("value")
    assert written == "A heron, cinematic lighting, a clear blue sky, wide shot"


@pytest.mark.slow
def test_a_workflow_offers_its_choices_with_their_prices(person: Person) -> None:
    person.opens()
    person.reads("#price", "$0.20 per image")
    person.chooses("workflow", "pro")
    person.sees('[name="resolution"]')
    options = [one.text for one in person.finds('[name="resolution"] option')]
    assert options == ["1K, $0.20", "2K, $0.20", "4K, $0.24"]
    assert person.sees('[name="resolution"]').get_property("value") == "2K"
    person.chooses("resolution", "4K")
    person.reads("#price", "$0.24 per image")
    person.chooses("aspect_ratio", "9:16")
    person.creates("a tall heron")
    assert person.deployment.finished("a tall heron")["workflow"] == "pro"
    assert person.deployment.jobs_of("a tall heron")[0]["estimatedCost"]["amount"] == 0.24


@pytest.mark.slow
@pytest.mark.parametrize("way", ["file", "paste", "drop"])
def test_an_input_image_may_be_chosen_pasted_or_dropped(person: Person, heron: Path, way: str) -> None:
    person.opens()
    if way == "file":
        person.sees("#image1").send_keys(str(heron))
    else:
        give(person, heron, way)
    person.reads("#input", "heron.png")
    person.check()
    person.creates(f"a heron by {way}")
    person.deployment.finished(f"a heron by {way}")
    (run,) = person.deployment.runs_of(f"a heron by {way}")
    assert run["input"]


def give(person: Person, file: Path, way: str) -> None:
    """Paste the file, or drop it."""
    person.chrome.execute_script(PASTE, way, base64.b64encode(file.read_bytes()).decode())


@pytest.mark.slow
@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_workflow_without_an_input_image_gets_none(person: Person, heron: Path, way: str) -> None:
    person.opens()
    give(person, heron, way)
    person.reads("#input", "heron.png")
    person.chooses("workflow", "text-only")
    soon(person.chrome, lambda _: not person.finds("#image-field"))
    give(person, heron, way)
    first = person.creates(f"a heron without an input by {way}")
    person.deployment.finished(f"a heron without an input by {way}")
    (run,) = person.deployment.runs_of(f"a heron without an input by {way}")
    assert not run["input"]
    person.sees_image(first)
    person.clicks("Use as input")  # which leads to a workflow that accepts one
    person.reads("#input", "An image of an earlier job")
    assert person.sees('[name="workflow"]').get_property("value") == "default"


@pytest.mark.slow
def test_a_file_that_is_no_image_is_refused_beside_the_field(person: Person, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    person.opens()
    person.sees("#image1").send_keys(str(tmp_path / "notes.txt"))
    person.reads("#image-field .error", "not an image")
    assert not person.finds("#input")


@pytest.mark.slow
def test_an_image_can_be_the_input_of_the_next_one(person: Person) -> None:
    person.opens()
    first = person.creates("a heron to begin with")
    person.sees_image(first)
    person.clicks("Use as input")
    person.creates("the same heron at night")
    person.deployment.finished("the same heron at night")
    (run,) = person.deployment.runs_of("the same heron at night")
    assert run["input"]


@pytest.mark.slow
def test_creating_it_again_asks_before_it_pays(person: Person) -> None:
    prompt = "a heron, twice"
    person.opens()
    person.sees_image(person.creates(prompt))
    person.clicks("Create again")
    person.reads("dialog", "It costs about $0.20")
    person.clicks("Cancel")
    assert len(person.deployment.jobs_of(prompt)) == 1
    person.clicks("Create again")
    person.clicks("Create it")
    soon(person.chrome, lambda _: len(person.deployment.jobs_of(prompt)) == 2)


@pytest.mark.slow
def test_what_failed_is_changed_and_not_paid_again_unasked(person: Person) -> None:
    person.opens()
    person.chooses("aspect_ratio", "9:16")
    person.creates("a heron to change [fault:moderation]")
    person.sees('.job[data-status="failed"]')
    person.opens()
    person.finds("#gallery a")[0].click()
    person.clicks("Start over")
    assert person.sees('[name="aspect_ratio"]').get_property("value") == "9:16"
    assert person.sees("#prompt").get_property("value") == "a heron to change [fault:moderation]"
    assert person.chrome.switch_to.active_element.get_attribute("id") == "prompt"
    assert not person.finds("dialog")


@pytest.mark.slow
def test_every_image_appears_in_the_gallery_when_it_is_ready_whichever_is_shown(person: Person) -> None:
    person.opens()
    with person.deployment.slower_runs("8"):  # seconds, so that the first one has not ended yet
        person.creates("the first of two herons")
        person.creates("the second of two herons")
    person.reads("#gallery li:last-child", "In progress")
    person.check()
    soon(person.chrome, lambda _: len(person.finds("#gallery img")) == 2)
    person.reads(".job .prompt", "the second of two herons")


@pytest.mark.slow
def test_the_url_of_an_image_can_be_copied_and_the_image_downloaded(person: Person) -> None:
    person.opens()
    job_id = person.creates("a heron to keep")
    person.sees_image(job_id)
    person.chrome.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    person.clicks("Copy URL")
    person.reads("figcaption", "Copied")
    url = person.deployment.finished("a heron to keep")["imageUrls"][0]
    assert person.chrome.execute_script("return window.copied") == url
    link = person.chrome.find_element(By.CSS_SELECTOR, "a[download]").get_attribute("href")
    answer = person.deployment.http.get(str(link))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert person.deployment.is_image_of("a heron to keep", answer.content)
