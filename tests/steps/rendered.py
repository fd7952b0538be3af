"""A page as the server renders it."""

from html.parser import HTMLParser

import httpx

from tests.harness.world import World
from tests.steps.test_callers import BROWSER

HTML = {"Accept": BROWSER["Accept"]}


class Document(HTMLParser):
    """The elements of a page: tag and attributes."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]

    def named(self, name: str) -> list[str]:
        """The tags of the elements with this `name`."""
        return [tag for tag, attributes in self.elements if attributes.get("name") == name]


async def page(world: World, path: str = "/", **headers: str) -> Document:
    response = await world.http.get(path, headers={**HTML, **headers})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Document(response)
