"""A playground, somebody at a browser, and axe."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.recipes.browser import browsers as browsers
from tests.recipes.browser import check_page, set_javascript, soon
from tests.recipes.deployment import Deployment, deployed

TOKEN = "token-of-a-person"
# Without any authentication, as `python -m functions serve` has it.
OPEN = dict.fromkeys(
    ("TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "EVENT_SERVICE_ACCOUNT", "EVENT_AUDIENCE", "TRIGGER_PUBLIC"), ""
)
WORKFLOWS = {
    "default": {"mode": "webhook", "id": "hook-of-these-tests", "pricePerImage": 0.2},
    "pro": {
        "mode": "execute",
        "id": "demo-execute",
        "model": "nano_banana_pro",
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": {"1K": 0.2, "2K": 0.2, "4K": 0.24},
        "overridable": ["aspect_ratio", "resolution"],
    },
    "text-only": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_2_lite"},
}


@dataclass(frozen=True)
class Person:
    """Somebody at a browser."""

    chrome: Chrome
    deployment: Deployment
    javascript: bool = True

    def opens(self, path: str = "/") -> None:
        self.chrome.get(f"{self.deployment.trigger}{path}")

    def finds(self, selector: str) -> list[WebElement]:
        return [one for one in self.chrome.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    def sees(self, selector: str) -> WebElement:
        """The first such element, as soon as it can be seen."""
        return soon(self.chrome, lambda _: next(iter(self.finds(selector)), False))

    def reads(self, selector: str, words: str) -> None:
        """Wait until an element has these words."""
        soon(self.chrome, lambda _: any(words in one.text for one in self.finds(selector)))

    def types(self, prompt: str) -> None:
        area = self.sees("#prompt")
        area.clear()
        area.send_keys(prompt)

    def creates(self, prompt: str) -> str:
        """Send the prompt; return the id of the job when the page shows it."""
        self.types(prompt)
        self.sees("#composer .primary").click()
        self.reads(".job .prompt", prompt)
        return str(self.sees(".job").get_attribute("data-job"))

    def sees_image(self, job_id: str) -> None:
        """Wait until the first image of the job is loaded."""
        script = "const i = document.querySelector(arguments[0]); return i && i.complete && i.naturalWidth"
        soon(self.chrome, lambda chrome: chrome.execute_script(script, f'.job img[src="/jobs/{job_id}/image/0"]'))

    def chooses(self, name: str, value: str) -> None:
        """Choose a value of a list, which the page may replace once it knows the workflows."""

        def choose(_: Chrome) -> bool:
            for one in self.finds(f'[name="{name}"]'):
                Select(one).select_by_value(value)
                return bool(one.get_property("value") == value)
            return False

        soon(self.chrome, choose)

    def clicks(self, text: str) -> None:
        """Click the button or link with this text."""
        soon(self.chrome, lambda _: next((one for one in self.finds("button, a") if one.text == text), False)).click()

    def check(self) -> None:
        """Check that axe finds nothing on the page, and that it is not wider than the screen."""
        set_javascript(self.chrome, on=True)  # axe needs it; scripts of the page have had their chance
        check_page(self.chrome)
        set_javascript(self.chrome, on=self.javascript)


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment without authentication."""
    settings = {**OPEN, "PLAYGROUND": "true", "WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS)}
    with deployed(tmp_path_factory.mktemp("playground"), **settings) as deployment:
        yield deployment


@pytest.fixture
def person(browsers: Callable[[bool], Chrome], playground: Deployment) -> Iterator[Person]:
    """Somebody who has not been here before."""
    chrome = browsers(True)
    yield Person(chrome, playground)
    chrome.execute_script("localStorage.clear(); sessionStorage.clear()")


@pytest.fixture
def plain_person(browsers: Callable[[bool], Chrome], playground: Deployment) -> Person:
    """Somebody whose browser has JavaScript switched off."""
    return Person(browsers(False), playground, javascript=False)
