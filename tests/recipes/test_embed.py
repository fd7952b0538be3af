"""The recipe "Web form": the image of a job on any page, in Chromium."""

from typing import Any

import pytest

from tests.recipes.browser import check_page, image, soon
from tests.recipes.readme_blocks import blocks, filled_in
from tests.recipes.visitors import PAGE, SCRIPT, Visitor

HASTE = "<script>{ const real = setTimeout; window.setTimeout = (call, ms) => real(call, ms / 100); }</script>"


def embedded(visitor: Visitor, job: dict[str, Any], *, allowed: bool, attributes: str = "", head: str = "") -> None:
    """Open a page that shows the image of the job by the recipe."""
    code = "\n".join(blocks("Web form", "html")[SCRIPT:])
    body = filled_in(code, visitor.deployment.trigger).replace('"ID"', f'"{job["id"]}" {attributes}')
    visitor.site.pages["/page"] = PAGE.format(head=head, body=body).encode()
    visitor.chrome.get(f"{visitor.site.allowed if allowed else visitor.site.foreign}/page")


def posted(visitor: Visitor, prompt: str) -> dict[str, Any]:
    headers = {"Origin": visitor.site.allowed}
    job = visitor.deployment.http.post(visitor.deployment.trigger, data={"prompt": prompt}, headers=headers).json()
    return dict(job)


ORIGINS = pytest.mark.parametrize("allowed", [True, False], ids=["a page of FORM_ORIGINS", "any other page"])
STILL_ASKS = "return document.querySelector('[aria-busy]') !== null"


@pytest.mark.slow
@ORIGINS
@pytest.mark.parametrize("placeholder", [False, True], ids=["without an address", "with its address"])
def test_an_image_of_a_job_appears_on_a_page_as_soon_as_it_is_stored(
    visitor: Visitor, allowed: bool, placeholder: bool
) -> None:
    job = posted(visitor, f"a heron that is awaited, {allowed}, {placeholder}")
    embedded(visitor, job, allowed=allowed, attributes=f'src="{job["imageUrl"]}"' if placeholder else "")
    soon(visitor.chrome, lambda chrome: not chrome.execute_script(STILL_ASKS))
    shown = soon(visitor.chrome, image)
    assert shown.get_property("naturalWidth") not in (0, 96)
    assert str(shown.get_attribute("src")).startswith(job["imageUrl"])
    check_page(visitor.chrome)


@pytest.mark.slow
@ORIGINS
def test_an_image_of_a_job_that_failed_says_so_and_is_no_longer_asked_for(visitor: Visitor, allowed: bool) -> None:
    job = posted(visitor, f"a heron that fails, {allowed} [fault:moderation]")
    embedded(visitor, job, allowed=allowed)
    assert soon(visitor.chrome, image).get_property("naturalHeight") == 95
    soon(visitor.chrome, lambda chrome: not chrome.execute_script(STILL_ASKS))


@pytest.mark.slow
@ORIGINS
def test_an_image_of_an_unknown_job_is_not_asked_for_without_end(visitor: Visitor, allowed: bool) -> None:
    embedded(visitor, {"id": "unknown"}, allowed=allowed, head=HASTE)
    soon(visitor.chrome, lambda chrome: not chrome.execute_script(STILL_ASKS))
    assert visitor.chrome.execute_script("return document.querySelector('[data-job]').src").endswith("/image")
