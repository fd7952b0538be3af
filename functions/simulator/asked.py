"""One reading for the three paid calls: a webhook's fields, a saved workflow's inputs, a graph."""

from collections.abc import Callable, Mapping
from typing import Any

from . import graph, saved
from .order import Node, Order
from .routes import Endpoint


def asked(endpoint: Endpoint, body: Mapping[str, Any]) -> Order:
    """What a paid call asks for."""
    return _READERS[endpoint](body)


def _webhook(body: Mapping[str, Any]) -> Order:
    """The fields of a webhook's body, which may be anything."""
    prompt = body.get("prompt")
    prompt = prompt if isinstance(prompt, str) else ""
    inputs = (Node("input-1", "Prompt", prompt),)
    return Order(prompt, Node("gen-1", "Nano Banana Pro"), inputs, body, body.get("image1"))


_READERS: Mapping[Endpoint, Callable[[Mapping[str, Any]], Order]] = {
    Endpoint.TRIGGER: _webhook,
    Endpoint.RUN: saved.order,
    Endpoint.EXECUTE: graph.order,
}
