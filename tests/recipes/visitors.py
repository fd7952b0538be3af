"""Somebody else's web site with the blocks of the recipe "Web form", and who visits it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.recipes.browser import image, soon
from tests.recipes.deployment import Deployment
from tests.recipes.readme_blocks import blocks, filled_in
from tests.recipes.small_server import Answer, Request

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">{head}<title>A page</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><main><h1>A page</h1><noscript><p id="without">without JavaScript</p></noscript>
{body}
</main></body></html>"""
FORM, SCRIPT = range(2)  # the blocks of the recipe


@dataclass
class Site:
    """A web site of somebody else, with two origins; FORM_ORIGINS names the first."""

    allowed: str = ""
    foreign: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        body = self.pages.get(request.path)
        return Answer(body or b"", {"Content-Type": "text/html"}, 200 if body else 404)


@dataclass(frozen=True)
class Visitor:
    """Somebody at a browser."""

    chrome: Chrome
    site: Site
    deployment: Deployment

    def opens(self, *parts: int, origin: str | None = None, head: str = "") -> None:
        """A page with these blocks of the recipe."""
        code = "\n".join(blocks("Web form", "html")[part] for part in parts)
        body = filled_in(code, self.deployment.trigger)
        self.site.pages["/page"] = PAGE.format(head=head, body=body).encode()
        self.chrome.get(f"{origin or self.site.allowed}/page")

    def types(self, prompt: str) -> None:
        self.chrome.find_element(By.NAME, "prompt").send_keys(prompt)

    def clicks(self) -> None:
        self.chrome.find_element(By.CSS_SELECTOR, "#image-form button").click()

    def sees_its_image(self, prompt: str) -> bool:
        """Whether there is, after a while, an image on the page, and it is that of the one job with this prompt."""
        shown = soon(self.chrome, image)
        job, alt = self.deployment.finished(prompt), " ".join(prompt.split())
        return shown.get_attribute("alt") == alt and f"/jobs/{job['id']}/image" in str(shown.get_attribute("src"))

    def reads(self, enough: Callable[[str], bool]) -> str:
        """The error that the script shows, once that is enough."""

        def said(chrome: Chrome) -> str | Literal[False]:
            text = " ".join(one.text for one in chrome.find_elements(By.CLASS_NAME, "wireflow-images-error"))
            return enough(text) and text

        return soon(self.chrome, said)
