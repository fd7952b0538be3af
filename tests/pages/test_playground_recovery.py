"""The playground in Chromium: what it remembers, and what it does when a request fails or a connection is lost."""

from pathlib import Path

import pytest

from tests.images.sample_images import encoded
from tests.pages.conftest import Person
from tests.recipes.browser import soon

BLOCK_STORAGE = """
for (const name of ["sessionStorage", "localStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
}"""
# The first request with the method is handled by the server; then it fails, or gets another response.
SPOIL_THE_FIRST = """
const real = window.fetch, [method, status] = arguments;
window.fetch = async (...request) => {
  const response = await real(...request);
  if ((request[1]?.method ?? "GET") !== method) return response;
  window.fetch = real;
  if (status) return new Response(JSON.stringify({ detail: "Later." }), { status });
  throw new TypeError("the connection is broken");
};"""

HOLD_THE_RETRY = """
const real = window.fetch;
window.fetch = async (path, options) => {
  if (path.endsWith("/retry")) await new Promise((done) => (window.release = done));
  return real(path, options);
};"""


@pytest.mark.slow
def test_a_browser_that_may_not_store_anything_makes_images_too(person: Person) -> None:
    blocked = {"source": BLOCK_STORAGE}
    script = person.chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", blocked)
    try:
        person.opens()
        person.sees_image(person.creates("a heron that is not remembered"))
    finally:
        person.chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        person.opens()


@pytest.mark.slow
def test_a_lost_connection_is_said_and_the_job_is_followed_when_it_is_back(person: Person) -> None:
    person.opens()
    job_id = person.creates("a heron, and a lost connection")
    offline = {"offline": True, "latency": 0, "download_throughput": 0, "upload_throughput": 0}
    person.chrome.set_network_conditions(**offline)
    try:
        person.reads(".job .lost", "The connection is lost. Trying again")
        person.check()
        person.finds("#gallery a")[0].click()
        person.reads("dialog", "The service cannot be reached.")
        person.clicks("OK")
    finally:
        person.chrome.delete_network_conditions()
    person.sees_image(job_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "status"), [("POST", None), ("POST", 503), ("GET", None)], ids=["lost", "unavailable", "page lost"]
)
def test_after_a_failure_the_same_button_gets_the_same_job(person: Person, method: str, status: int | None) -> None:
    prompt = f"a heron whose first {method} came to {status}"
    person.opens()
    person.chrome.execute_script(SPOIL_THE_FIRST, method, status)
    person.types(prompt)
    person.sees("#composer .primary").click()
    person.reads("#composer .error", "The connection was lost")
    person.sees("#composer .primary").click()
    person.reads(".job .prompt", prompt)
    person.deployment.finished(prompt)
    assert len(person.deployment.jobs_of(prompt)) == 1


@pytest.mark.slow
def test_without_its_input_image_a_request_whose_response_was_lost_is_another(person: Person, tmp_path: Path) -> None:
    prompt = "a heron with an image, then without"
    (tmp_path / "cat.png").write_bytes(encoded("png", 40, 30))
    person.opens()
    person.chrome.execute_script(SPOIL_THE_FIRST, "POST", None)
    person.types(prompt)
    person.sees("#image1").send_keys(str(tmp_path / "cat.png"))
    person.sees("#composer .primary").click()
    person.reads("#composer .error", "The connection was lost")
    person.clicks("Remove")
    person.sees("#composer .primary").click()
    person.reads(".job .prompt", prompt)
    assert len(person.deployment.jobs_of(prompt)) == 2


@pytest.mark.slow
def test_the_images_of_this_browser_are_kept_until_they_are_cleared(person: Person) -> None:
    person.opens()
    first = person.creates("a first heron")
    person.sees_image(first)
    second = person.creates("a second heron")
    person.sees_image(second)
    person.opens()
    links = [one.get_attribute("href") for one in person.finds("#gallery a")]
    assert links == [f"{person.deployment.trigger}/jobs/{one}" for one in (second, first)]
    person.finds("#gallery a")[1].click()
    person.reads(".job .prompt", "a first heron")
    assert person.chrome.current_url == f"{person.deployment.trigger}/"
    person.clicks("Clear this list")
    person.clicks("Clear")
    soon(person.chrome, lambda _: not person.finds("#gallery"))
    person.opens()
    assert not person.finds("#gallery")


@pytest.mark.slow
def test_a_request_whose_response_was_lost_is_the_same_after_a_reload(person: Person) -> None:
    prompt = "a heron whose page was reloaded"
    person.opens()
    person.chrome.execute_script(SPOIL_THE_FIRST, "POST", None)
    person.types(prompt)
    person.sees("#composer .primary").click()
    person.reads("#composer .error", "The connection was lost")
    person.opens()
    job_id = person.creates(prompt)
    person.sees_image(job_id)
    assert [job["id"] for job in person.deployment.jobs_of(prompt)] == [job_id]
    person.sees("#composer .primary").click()
    soon(person.chrome, lambda _: len(person.deployment.jobs_of(prompt)) == 2)


@pytest.mark.slow
def test_a_job_goes_on_to_be_followed_after_the_page_was_reloaded(person: Person) -> None:
    person.opens()
    job_id = person.creates("a heron, and a reload")
    person.opens()
    person.sees_image(job_id)


@pytest.mark.slow
def test_a_job_that_is_opened_while_another_is_retried_stays(person: Person) -> None:
    person.opens()
    shown = person.creates("a heron that stays")
    person.sees_image(shown)
    person.creates("a heron to retry [fault:moderation]")
    person.sees('.job[data-status="failed"]')
    person.chrome.execute_script(HOLD_THE_RETRY)
    person.clicks("Retry")
    person.sees("dialog .primary").click()
    person.finds("#gallery a")[1].click()
    person.reads(".job .prompt", "a heron that stays")
    person.chrome.execute_script("window.release()")
    person.reads("#gallery", "In progress")
    job = person.sees(".job")
    assert (job.get_attribute("data-job"), job.get_attribute("data-status")) == (shown, "succeeded")
    person.sees_image(shown)
