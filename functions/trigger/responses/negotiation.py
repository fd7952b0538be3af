"""Conditional and content negotiation headers of a request. A header may occur several times (RFC 9110, 5.3)."""

import re
from collections.abc import Iterator

from starlette.requests import Request

_ZERO_QUALITY = re.compile(r"q=[0.]+")


def matches(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` contains this ETag: the caller already has the content."""
    tags = {tag.removeprefix("W/") for tag in _items(request, "if-none-match")}
    return etag in tags or "*" in tags


def wants_image(request: Request) -> bool:
    """Whether `Accept` names `image/*` or an image type, as for an `<img>`; `*/*` alone does not count."""
    return any(media_type.startswith("image/") for media_type in _accepted(request))


def wants_page(request: Request) -> bool:
    """Whether `Accept` names `text/html`, as when a browser opens a URL or submits a form."""
    return "text/html" in _accepted(request)


def _accepted(request: Request) -> list[str]:
    """Return the media types in `Accept`, except those with q=0."""
    accepted = []
    for item in _items(request, "accept"):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        if not any(map(_ZERO_QUALITY.fullmatch, parameters)):
            accepted.append(media_type)
    return accepted


def _items(request: Request, name: str) -> Iterator[str]:
    return (item.strip() for line in request.headers.getlist(name) for item in line.split(","))
