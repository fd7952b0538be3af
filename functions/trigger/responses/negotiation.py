"""Conditional and content negotiation headers of a request. A header may occur several times (RFC 9110, 5.3)."""

import re
from collections.abc import Callable, Iterator

from starlette.requests import Request

_QUALITY = re.compile(r"q=(\d*\.?\d+|\d+\.)")


def matches(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` contains this ETag: the caller already has the content."""
    tags = {tag.removeprefix("W/") for tag in _items(request, "if-none-match")}
    return etag in tags or "*" in tags


def wants_image(request: Request) -> bool:
    """Whether `Accept` prefers an image to JSON, as for an `<img>`; `*/*` alone does not count."""
    return _prefers(request, lambda media_type: media_type.startswith("image/"))


def wants_page(request: Request) -> bool:
    """Whether `Accept` prefers `text/html` to JSON, as when a browser opens a URL or submits a form."""
    return _prefers(request, lambda media_type: media_type == "text/html")


def _prefers(request: Request, wanted: Callable[[str], bool]) -> bool:
    """Return whether a wanted type has a higher quality than `application/json`.

    n8n lists HTML and images, too, but parses the response as JSON.
    """
    accepted = _accepted(request)
    best = max((quality for media_type, quality in accepted.items() if wanted(media_type)), default=0.0)
    return best > accepted.get("application/json", 0.0)


def _accepted(request: Request) -> dict[str, float]:
    """Return the quality of each media type in `Accept` (RFC 9110, 12.5.1)."""
    accepted = {}
    for item in _items(request, "accept"):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        qualities = [float(found[1]) for found in map(_QUALITY.fullmatch, parameters) if found]
        accepted[media_type] = qualities[0] if qualities else 1.0
    return accepted


def _items(request: Request, name: str) -> Iterator[str]:
    return (item.strip() for line in request.headers.getlist(name) for item in line.split(","))
