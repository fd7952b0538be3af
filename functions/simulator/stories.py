"""Ways for a run itself to turn out: each changes what Wireflow tells of it, whatever the shape."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .settings import Style
from .shapes import Progress

Story = Callable[[Progress], Progress]

REFUSED_BY_PROVIDER = "The provider's safety system rejected the prompt: content policy violation (moderation)."
FAILED_AT_PROVIDER = "The provider answered with an error: internal model failure."


def in_lower_case(told: Progress) -> Progress:
    """Status words in lower case."""
    return replace(told, lower=True)


def in_style(style: Style, told: Progress) -> Progress:
    """Another envelope than the one that is set."""
    return replace(told, style=style)


wrapped: Story = partial(in_style, Style.WRAPPED)
nested: Story = partial(in_style, Style.NESTED)


def without_image(told: Progress) -> Progress:
    """COMPLETED, and no picture anywhere."""
    return replace(told, urls=())


def image_before_end(told: Progress) -> Progress:
    """A COMPLETED node with its pictures inside a RUNNING run, from the middle of the run on."""
    if told.ended or told.now - told.run.started_at < told.run.ends_at - told.now:
        return told
    return replace(told, urls=told.drawn, node_status="COMPLETED")


def repeated(told: Progress) -> Progress:
    """Each URL in every place that a shape has for it."""
    return replace(told, repeats=True)


def moderation(told: Progress) -> Progress:
    """FAILED with the provider's words in the node, and null as the run's own error."""
    return _over(told, "FAILED", node_error=REFUSED_BY_PROVIDER)


def failed(told: Progress) -> Progress:
    """FAILED with words at the node and at the run."""
    return _over(told, "FAILED", error=FAILED_AT_PROVIDER, node_error=FAILED_AT_PROVIDER)


def cancelled(told: Progress) -> Progress:
    """CANCELLED, without words."""
    return _over(told, "CANCELLED")


def timeout(told: Progress) -> Progress:
    """TIMEOUT, without words."""
    return _over(told, "TIMEOUT")


def unknown_status(told: Progress) -> Progress:
    """A word that nobody published while the run goes on; it ends as others do."""
    return told if told.ended else replace(told, status="WARMING_UP", node_status="WARMING_UP")


def missing_status(told: Progress) -> Progress:
    """No word at all while the run goes on; it ends as others do."""
    return told if told.ended else replace(told, status=None)


def endless(told: Progress) -> Progress:
    """RUNNING, for ever."""
    return replace(told, status="RUNNING", node_status="RUNNING", urls=())


def unchanged(told: Progress) -> Progress:
    """Told as it is: the fault was in what the run does."""
    return told


def _over(told: Progress, word: str, error: str | None = None, node_error: str | None = None) -> Progress:
    if not told.ended:
        return told
    return replace(told, status=word, node_status=word, urls=(), error=error, node_error=node_error)
