"""The screenshots of the README: `python -m tests.pages.screenshots` takes them again, in light and dark."""

import json
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome

from functions.trigger.responses.assets import PAGES
from tests.pages.conftest import OPEN, WORKFLOWS, Person
from tests.recipes.browser import browser, screen, screenshot
from tests.recipes.deployment import deployed

PROMPTS = (
    "A sailing boat at sunset, wide shot",
    "An aerial view of a river delta, photorealistic",
    "A lighthouse on a cliff at dusk, watercolor",
    "A valley in the snow at dawn, soft light",
)
WIDTH, HEIGHT = 1280, 904
COLORS = 256


def main() -> None:
    """Create some images, and write one file for each color scheme beside the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {**OPEN, "PLAYGROUND": "true", "WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS)}
        with deployed(folder, **settings) as deployment, browser(folder / "profile", javascript=True) as chrome:
            person = Person(chrome, deployment)
            with screen(chrome, WIDTH):
                person.opens()
                for prompt in PROMPTS:
                    person.chooses("workflow", "pro")
                    person.sees_image(person.creates(prompt))
            for scheme in ("light", "dark"):
                with screen(chrome, WIDTH, dark=scheme == "dark"):
                    (PAGES / f"playground-{scheme}.png").write_bytes(take(chrome))


def take(chrome: Chrome) -> bytes:
    """Return a screenshot without focus and hover."""
    chrome.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    chrome.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": 1, "y": 1})
    return screenshot(chrome, WIDTH, HEIGHT, colors=COLORS)


if __name__ == "__main__":
    main()
