"""What our pages load: the files of pages/, as they are served and as they refer to each other."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from functions.trigger.responses import assets
from functions.trigger.responses.assets import (
    CONTENT_TYPES,
    PAGE_ASSETS,
    PAGES,
    asset,
    asset_url,
    current_version,
    imported,
)
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.rendered import HTML, Document, page
from tests.steps.test_callers import AUTH, SHOP

BYTES = 60 * 1024  # of all files together
OTHER_VERSION = "0123456789abcdef"
MODULES = [name for name in PAGE_ASSETS if name.endswith(".js")]
ENTRIES = {"/": "playground.js", "/jobs/{id}": "job_page.js"}


@pytest.fixture
async def world(open_world: OpenWorld) -> AsyncIterator[World]:
    async with open_world(PLAYGROUND="true") as opened:
        yield opened


def test_all_files_together_are_small() -> None:
    assert sum(file.stat().st_size for file in PAGES.iterdir() if file.suffix != ".png") < BYTES


@pytest.mark.parametrize("path", ["/", "/jobs/{id}", "/jobs/unknown"])
async def test_a_page_loads_nothing_from_elsewhere_and_has_nothing_inline(world: World, path: str) -> None:
    response = await world.http.get(path.format(id=await world.accepted()), headers=HTML)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self' https://storage.googleapis.com data: blob:" in policy
    assert "unsafe" not in policy
    document = Document(response)
    assert "style" not in {tag for tag, _ in document.elements}
    assert not [name for _, attributes in document.elements for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in document.elements if "style" in attributes]
    loaded = [one["src"] for one in document.all("script")] + [one["href"] for one in document.all("link")]
    assert loaded
    assert all(url and url.startswith(("/", "data:")) for url in loaded)


@pytest.mark.parametrize("path", ["/", "/jobs/{id}"])
async def test_what_a_page_names_is_there_and_may_be_kept(world: World, path: str) -> None:
    document = await page(world, path.format(id=await world.accepted()))
    urls = [one["src"] for one in document.all("script")] + [one["href"] for one in document.all("link")]
    for url in [url for url in urls if url and url.startswith("/")]:
        response = await world.http.get(url)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]


async def test_every_file_of_the_version_that_pages_name_may_be_kept(world: World) -> None:
    assert "page.css" in PAGE_ASSETS
    for name in PAGE_ASSETS:
        response = await world.http.get(asset_url(name))
        assert (response.status_code, response.text) == (200, (PAGES / name).read_text())
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-type"] == CONTENT_TYPES[Path(name).suffix]
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/pages/page.css", f"/pages/{OTHER_VERSION}/page.css", "/embed.js"])
async def test_a_file_without_this_version_is_checked_again(world: World, path: str) -> None:
    response = await world.http.get(path)
    assert response.text == (PAGES / Path(path).name).read_text()
    assert "immutable" not in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    again = await world.http.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])


@pytest.mark.parametrize("name", PAGE_ASSETS)
def test_the_version_changes_with_every_file(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = current_version()
    changed = {name: replace(asset(name), digest="of a changed file")}
    monkeypatch.setattr(assets, "asset", lambda other: changed.get(other) or asset(other))
    assert current_version.__wrapped__() != before


@pytest.mark.parametrize("folder", ["", f"{current_version()}/", f"{OTHER_VERSION}/"])
@pytest.mark.parametrize("name", ["unknown.js", "page.html", "embed.js", "playground-dark.png", "%2e%2e/main.py", ""])
async def test_no_other_file_is_served(world: World, folder: str, name: str) -> None:
    assert (await world.http.get(f"/pages/{folder}{name}")).status_code == 404


@pytest.mark.parametrize("version", ["v1", current_version().upper(), f"{current_version()}0", "%2e"])
async def test_a_malformed_version_is_not_found(world: World, version: str) -> None:
    assert (await world.http.get(f"/pages/{version}/page.css")).status_code == 404


async def test_a_file_is_only_read(world: World) -> None:
    head = await world.http.head(asset_url("page.css"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str((PAGES / "page.css").stat().st_size)
    sent = await world.http.post(asset_url("page.css"))
    assert (sent.status_code, sent.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("origin", [SHOP, "https://elsewhere.example"])
async def test_pages_of_any_origin_may_load_the_module_for_them(open_world: OpenWorld, origin: str) -> None:
    async with open_world(**AUTH) as world:
        response = await world.http.get("/embed.js", headers={"Origin": origin})
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await world.http.get(asset_url("page.css"))).headers


# --- modules ---------------------------------------------------------------------------------------------------------


def imports(module: str) -> set[str]:
    """What the module names in its imports, however they are written."""
    return set(re.findall(r"""\b(?:from|import)\s*\(?\s*["']([^"']+)["']""", (PAGES / module).read_text()))


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_imports_is_there_and_of_the_same_version(module: str) -> None:
    names = {name.removeprefix("./") for name in imports(module)}
    assert imports(module) == {f"./{name}" for name in names}  # relative, so the version is that of this module
    assert names <= {*MODULES}
    assert names <= {*imported(module)}


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: {name.removeprefix("./") for name in imports(module)} for module in MODULES}
    assert {*TopologicalSorter(graph).static_order()} == {*MODULES}


def test_every_module_is_of_some_page() -> None:
    assert {*ENTRIES.values(), *(name for entry in ENTRIES.values() for name in imported(entry))} == {*MODULES}


@pytest.mark.parametrize("path", ENTRIES)
async def test_a_page_names_every_module_that_it_needs(world: World, path: str) -> None:
    """Else a browser would learn of a module only when it has those that import it, one round trip after another."""
    document = await page(world, path.format(id=await world.accepted()))
    entry = ENTRIES[path]
    assert [one["src"] for one in document.all("script")] == [asset_url(entry)]
    preloaded = [one["href"] for one in document.all("link") if one["rel"] == "modulepreload"]
    assert preloaded == [asset_url(name) for name in imported(entry)]
