"""The Content-Security-Policy of our pages, as Chromium enforces it on images that are redirected."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from functions.trigger.responses.html import Html, html_page
from tests.images.sample_images import encoded
from tests.images.site import Site, response
from tests.recipes.browser import browser, soon
from tests.recipes.small_server import Answer, Request, serving
from tests.test_egress import Authority

HOSTS = ("storage.googleapis.com", "elsewhere.example")
IMAGES = Html("".join(f'<img alt="{host}" src="/{host}">' for host in HOSTS))


def answer(request: Request) -> Answer:
    """The page, or the redirect of an image to a signed URL on another host."""
    if request.path == "/":
        page = html_page("A page", IMAGES)
        return Answer(bytes(page.body), dict(page.headers))
    return Answer(b"", {"Location": f"https:/{request.path}/bucket/image.png?X-Goog-Signature=1"}, 302)


@pytest.mark.slow
def test_a_page_shows_images_that_are_redirected_to_cloud_storage_and_to_nowhere_else(tmp_path: Path) -> None:
    with Site(tls=Authority().server("storage.googleapis.com")) as storage, serving(answer) as url:
        storage.put("/bucket/image.png", response(200, encoded("png", 64, 48), Content_Type="image/png"))
        mapped = ", ".join(f"MAP {host} 127.0.0.1:{storage.port}" for host in HOSTS)
        flags = (f"--host-resolver-rules={mapped}", "--ignore-certificate-errors")
        with browser(tmp_path, *flags, javascript=True) as chrome:
            chrome.get(url)
            images = chrome.find_elements(By.TAG_NAME, "img")
            soon(chrome, lambda _: all(image.get_property("complete") for image in images))
            assert [image.get_property("naturalWidth") for image in images] == [64, 0]
