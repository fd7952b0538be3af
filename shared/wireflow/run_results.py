"""What a response about a run has as its result: images with their places, and texts. Pure.

Every published shape is accepted (https://www.wireflow.ai/docs/api/executions, github.com/wireflowINC/wireflow-skill).
"""

import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from shared.ports import ResultImage
from shared.wireflow import json_paths
from shared.wireflow.signed_urls import unsigned

# A Firestore document has at most 1 MiB: https://cloud.google.com/firestore/quotas
IMAGES_LIMIT, URL_LIMIT, PLACE_LIMIT, TEXTS_LIMIT = 100, 4_096, 200, 20

# Names under which a result is found, and names of URLs within a result.
RESULTS = frozenset({"finalOutput", "output", "outputs", "outputUrl", "outputUrls"})
URL_NAMES = frozenset({"url", "urls", "image", "images", "imageUrl", "imageUrls", "image_url", "image_urls"})
# Names of texts: anywhere, and within a result. A URL in a text is not a result.
TEXT, DESCRIPTIONS = "text", frozenset({"description", "content"})

_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_URL_WITH_SPACES = re.compile(r"https?://(?:(?!://)[^\r\n\t<>\"])+", re.IGNORECASE)
_IMAGE_PATH = re.compile(r"[^?#]*\.(?:png|jpe?g|webp|gif|avif)(?:[?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Found:
    """A text of a response: `name` is the nearest one, `node` the id of the node that it belongs to."""

    value: str
    name: str
    node: str | None
    is_text: bool


def result_images(document: Any) -> tuple[ResultImage, ...]:
    """Return each image once, those of the run's final output first; of several signed URLs the last one.

    Its place is its node and its position among the images of the node.
    """
    final = [{"finalOutput": part.get("finalOutput")} for part in json_paths.envelopes(document)]
    urls: dict[str, str] = {}
    places: dict[str, str] = {}
    positions: Counter[str] = Counter()
    for found in _texts([*final, document], _input_nodes(document)):
        url = None if found.is_text else _address(found)
        if url is None:
            continue
        key = unsigned(url)
        urls[key] = url
        if found.node is not None and key not in places:
            places[key] = f"{found.node[:PLACE_LIMIT]}/{positions[found.node]}"
            positions[found.node] += 1
    images = (ResultImage(url=url, place=places.get(key)) for key, url in urls.items())
    return tuple(images)[:IMAGES_LIMIT]


def result_texts(document: Any) -> tuple[str, ...]:
    """Return the texts that nodes have produced."""
    found = _texts(document, _input_nodes(document))
    texts = (json_paths.text(item.value) for item in found if item.is_text or _is_output_text(item))
    return tuple(dict.fromkeys(text for text in texts if text))[-TEXTS_LIMIT:]


def _is_output_text(found: _Found) -> bool:
    return found.name in {"output", "finalOutput"} and _address(found) is None


def _texts(value: Any, inputs: Set[str], name: str = "", node: str | None = None, kind: str = "") -> Iterator[_Found]:
    """Yield every text in a result and every text of a node, without those of `inputs`. `kind`: "result" or "text"."""
    if isinstance(value, str):
        if kind:
            yield _Found(value, name, node, kind == "text")
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, inputs, name, node, kind)
    elif isinstance(value, dict) and not _is_input(value, inputs):
        node = _node_id(value) or node
        for inner_name, inner in value.items():
            yield from _texts(inner, inputs, inner_name, node, _kind(inner_name, kind))


def _kind(name: str, outer: str) -> str:
    """Return what the texts under a name are, given what the value around it is."""
    if outer == "text" or name == TEXT or (outer and name in DESCRIPTIONS):
        return "text"
    return "result" if name in RESULTS or (outer and name in URL_NAMES) else ""


def _address(found: _Found) -> str | None:
    """Return the URL that a text of a result is. One with spaces may be a sentence: its name or its end decides."""
    text = found.value.strip()
    if len(text) > URL_LIMIT:
        return None
    if _URL.fullmatch(text):
        return json_paths.storable(text)
    named = found.name not in {"output", "outputs", "finalOutput"}
    if _URL_WITH_SPACES.fullmatch(text) and (named or _IMAGE_PATH.fullmatch(text)):
        return json_paths.storable(text.replace(" ", "%20"))
    return None


# --- nodes ---------------------------------------------------------------------------------------------------------


def _node_id(node: dict[str, Any]) -> str | None:
    return json_paths.text(node.get("nodeId"))


def _input_nodes(document: Any) -> frozenset[str]:
    """Return the ids of the nodes that one of the lists describes as inputs, by their type or id."""
    nodes = [value for value in _objects(document) if _is_input(value, frozenset())]
    return frozenset(node_id for node in nodes if (node_id := _node_id(node)))


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
    for _, value in json_paths.walk([document] if isinstance(document, dict) else document):
        items = value if isinstance(value, list) else [value]
        yield from (item for item in items if isinstance(item, dict))


def _is_input(node: dict[str, Any], inputs: Set[str]) -> bool:
    """Whether a node gives what the request has, rather than a result."""
    names = [node.get(name) for name in ("nodeType", "type", "nodeId", "id")]
    return _node_id(node) in inputs or any(isinstance(n, str) and n.lower().startswith("input") for n in names)
