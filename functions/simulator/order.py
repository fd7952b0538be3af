"""What a paid call asks for, whichever of the three it is, and the refusal of one that asks for what there is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Unfit(Exception):
    """A request that the vendor refuses; `status` is its answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Node:
    """A node of the workflow that runs; `text` is what a text input gives."""

    id: str
    label: str
    text: str | None = None


@dataclass(frozen=True)
class Order:
    """A call's wishes, read leniently: whether they fit is another question.

    `fields` may hold `resolution`, `aspect_ratio`, `format` and `count`; `image` is an address, if it is one.
    """

    prompt: str
    generator: Node
    inputs: tuple[Node, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    image: object = None
    style: str = ""

    @property
    def caption(self) -> str:
        """What the pictures show in writing."""
        return ", ".join(filter(None, (self.prompt, self.style)))
