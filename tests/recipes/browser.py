"""Debian's Chromium, driven by its own ChromeDriver; nothing is downloaded, and only the tests' pages are opened."""

import base64
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")

SECONDS = 60.0
# Without these it looks for Google's hosts at every start.
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = files("axe_core_python").joinpath("axe.min.js").read_text()
SCREENS = pytest.mark.parametrize(
    ("width", "dark"),
    [(width, dark) for width in (390, 1280) for dark in (False, True)],
    ids=[f"{width} px, {scheme}" for width in (390, 1280) for scheme in ("light", "dark")],
)


@contextmanager
def browser(profile: Path, *flags: str, javascript: bool) -> Iterator[Chrome]:
    """A new browser with a profile of its own; skips the test where there is no Chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("the browser tests need chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    chrome = Chrome(options, ChromeService(driver))
    try:
        set_javascript(chrome, on=javascript)
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], Chrome]]:
    """One with JavaScript and one without, each started when it is first asked for."""
    started: dict[bool, Chrome] = {}
    with ExitStack() as stack:

        def get(javascript: bool) -> Chrome:
            if javascript not in started:
                folder = tmp_path_factory.mktemp("profile")
                started[javascript] = stack.enter_context(browser(folder, javascript=javascript))
            return started[javascript]

        yield get


def set_javascript(chrome: Chrome, *, on: bool) -> None:
    """Switch the scripts of pages on or off, from the next page on; those of the tests run in any case."""
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})


@contextmanager
def screen(chrome: Chrome, width: int, *, dark: bool = False) -> Iterator[None]:
    """A screen of this width in CSS pixels, a phone's below 600, with a color scheme."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    try:
        yield
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def soon(chrome: Chrome, look: Callable[[Chrome], T | Literal[False]]) -> T:
    """What `look` finds once it finds something, on a page that may change at any moment."""
    wait = WebDriverWait(chrome, SECONDS, 0.2, [StaleElementReferenceException])
    return wait.until(lambda _: look(chrome))


def check_page(chrome: Chrome) -> None:
    """Check that axe finds nothing on the page, and that it is not wider than the screen."""
    chrome.execute_script(AXE)
    # It takes the text in a <noscript> for hidden, even without JavaScript.
    script = 'axe.run({ exclude: ["noscript"] }).then(arguments[0], (error) => arguments[0](String(error)))'
    found = chrome.execute_async_script(script)
    faults = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert not faults, faults
    assert found["passes"]
    assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def image(chrome: Chrome) -> WebElement | Literal[False]:
    """The image that people see on the page, if there is one."""
    images = chrome.find_elements(By.TAG_NAME, "img")
    return next((image for image in images if _is_seen(image)), False)


def _is_seen(image: WebElement) -> bool:
    return image.is_displayed() and image.get_property("naturalWidth") not in (None, 0)


def screenshot(chrome: Chrome, width: int, height: int, *, colors: int) -> bytes:
    """A PNG of the page with few colors: it is a small file, and looks the same."""
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    file = io.BytesIO()
    image.quantize(colors, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
