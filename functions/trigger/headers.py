"""What a request's conditional and negotiating headers say; a header may come in several lines (RFC 9110, 5.3)."""

from collections.abc import Iterator

from starlette.requests import Request


def matches(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this ETag: the caller has it already."""
    tags = {tag.removeprefix("W/") for tag in _items(request, "if-none-match")}
    return etag in tags or "*" in tags


def wants_picture(request: Request) -> bool:
    """Whether `Accept` names `image/*` or a picture type, as that of an `<img>` does; `*/*` alone does not."""
    return any(_is_picture(item) for item in _items(request, "accept"))


def _is_picture(item: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in item.split(";"))
    unwanted = any(parameter.startswith("q=") and _is_zero(parameter[2:]) for parameter in parameters)
    return kind.startswith("image/") and not unwanted


def _is_zero(quality: str) -> bool:
    return bool(quality) and set(quality) <= {"0", "."}


def _items(request: Request, name: str) -> Iterator[str]:
    return (item.strip() for line in request.headers.getlist(name) for item in line.split(","))
