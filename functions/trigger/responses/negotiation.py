"""What a request's conditional and negotiating headers say; a header may come in several lines (RFC 9110, 5.3)."""

from collections.abc import Iterator

from starlette.requests import Request


def matches(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this ETag: the caller has it already."""
    tags = {tag.removeprefix("W/") for tag in _items(request, "if-none-match")}
    return etag in tags or "*" in tags


def wants_image(request: Request) -> bool:
    """Whether `Accept` names `image/*` or a image type, as that of an `<img>` does; `*/*` alone does not."""
    return any(kind.startswith("image/") for kind in _accepted(request))


def wants_page(request: Request) -> bool:
    """Whether `Accept` names `text/html`, as that of a browser does that opens an address or sends a form."""
    return "text/html" in _accepted(request)


def _accepted(request: Request) -> list[str]:
    """The media types that `Accept` names, but for those with q=0."""
    return [kind for item in _items(request, "accept") if (kind := _kind(item))]


def _kind(item: str) -> str | None:
    kind, *parameters = (part.strip().lower() for part in item.split(";"))
    unwanted = any(parameter.startswith("q=") and _is_zero(parameter[2:]) for parameter in parameters)
    return None if unwanted else kind


def _is_zero(quality: str) -> bool:
    return bool(quality) and set(quality) <= {"0", "."}


def _items(request: Request, name: str) -> Iterator[str]:
    return (item.strip() for line in request.headers.getlist(name) for item in line.split(","))
