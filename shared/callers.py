"""The names of callers, as jobs hold them."""

FORM_PREFIX = "form:"  # of the names of callers that are visitors of a page; the page's origin follows


def is_visitor(caller: str | None) -> bool:
    """Return whether a caller is a visitor of a page."""
    return (caller or "").startswith(FORM_PREFIX)


def share_of(caller: str | None) -> str:
    """Return whose share of the queue a caller takes: its own; the visitors of all forms take one together."""
    return FORM_PREFIX if is_visitor(caller) else caller or ""
