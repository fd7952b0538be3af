"""What a response about a run has as its result: images with their places, and texts. Pure.

Every published shape is accepted (https://www.wireflow.ai/docs/api/executions, github.com/wireflowINC/wireflow-skill).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from shared.ports import ResultImage
from shared.wireflow import json_paths
from shared.wireflow.signed_urls import unsigned

# A Firestore document has at most 1 MiB: https://cloud.google.com/firestore/quotas
IMAGES_LIMIT, URL_LIMIT, PLACE_LIMIT, TEXTS_LIMIT = 100, 4_096, 200, 20

# Names under which a result is found, and names of URLs and of wrappers within a result; in lower case, without "_".
RESULTS = frozenset({"finaloutput", "output", "outputs", "outputurl", "outputurls"})
URL_NAMES = frozenset("url urls uri image images imageurl imageurls imageuri fileuri sample".split())
WITHIN = URL_NAMES | {"data", "result", "results", "response", "file", "files", "media", "artifacts", "value"}
# `outputs` may be an object from the id of a node to its output; these are the other names that it has.
NODE_FIELDS = frozenset({"nodeid", "nodetype", "id", "type", "label", "status", "progress", "error", "requestid"})
# A result without a name of its own may be a URL or a text.
UNNAMED = frozenset({"output", "outputs", "finaloutput"})
FINAL = "finalOutput"  # the place of what names no node
# Names of texts: anywhere, and within a result. A URL in a text is not a result.
TEXT, DESCRIPTIONS = "text", frozenset({"description", "content"})

# Any scheme: a result that cannot be copied is reported as such, not as missing.
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s<>\"]+", re.IGNORECASE)
_WEB = re.compile(r"https?:", re.IGNORECASE)
_DATA = re.compile(r"data:image/[^\s,;]*", re.IGNORECASE)
_URL_WITH_SPACES = re.compile(r"https?://(?:(?!://)[^\r\n\t<>\"])+", re.IGNORECASE)
_IMAGE_PATH = re.compile(r"[^?#]*\.(?:png|jpe?g|webp|gif|avif)(?:[?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Found:
    """A text of a response: `name` is the nearest one, spelled as above, `node` the id of its node."""

    value: str
    name: str
    node: str | None
    is_text: bool


def result_images(document: Any) -> tuple[ResultImage, ...]:
    """Return each image once, those of the run's final output first; of several signed URLs the last one.

    Its place is its node, else the final output, and its position among the images there. URLs of other schemes (`gs:`,
    `data:`) count only if there are no others: they may be the same images.
    """
    final = [{FINAL: part.get(FINAL)} for part in json_paths.envelopes(document)]
    inputs = _input_nodes(document)
    values = list(_texts(document, inputs))
    texts = {found.value for found in values if found.is_text}
    by_node = list(_addresses(values, texts))
    in_final = list(_addresses(_texts(final, inputs, node=FINAL), texts))
    places = _places([*by_node, *in_final])
    urls = {key: url for key, url, _ in [*in_final, *by_node]}
    web = {key: url for key, url in urls.items() if _WEB.match(url)}
    images = (ResultImage(url=url, place=places.get(key)) for key, url in (web or urls).items())
    return tuple(images)[:IMAGES_LIMIT]


def _addresses(values: Iterable[_Found], texts: Set[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield each URL that is a result: without its signature, as it is, and its node. `texts`: known to be texts."""
    for found in values:
        is_text = found.is_text or (found.name in UNNAMED and found.value in texts)
        url = None if is_text else _address(found)
        if url is not None:
            yield unsigned(url), url, found.node


def _places(addresses: list[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return the place of each image by its URL without the signature: the first one that is known."""
    places: dict[str, str] = {}
    positions: Counter[str] = Counter()
    for key, _, node in addresses:
        if node is not None and key not in places:
            places[key] = f"{node[:PLACE_LIMIT]}/{positions[node]}"
            positions[node] += 1
    return places


def result_texts(document: Any) -> tuple[str, ...]:
    """Return the texts that nodes have produced."""
    found = _texts(document, _input_nodes(document))
    texts = (json_paths.text(item.value) for item in found if item.is_text or _is_output_text(item))
    return tuple(dict.fromkeys(text for text in texts if text))[-TEXTS_LIMIT:]


def _is_output_text(found: _Found) -> bool:
    return found.name in {"output", "finaloutput"} and _address(found) is None


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
        for key, inner in value.items():
            inner_name = key.replace("_", "").lower()
            if not inner_name.startswith("input"):
                yield from _texts(inner, inputs, inner_name, node, _kind(inner_name, name, kind))


def _kind(name: str, outer_name: str, outer: str) -> str:
    """Return what the texts under a name are, given the name of the value around it and what that is."""
    if outer == "text" or name == TEXT or (outer and name in DESCRIPTIONS):
        return "text"
    within = name in WITHIN or (outer_name == "outputs" and name not in NODE_FIELDS)
    return "result" if name in RESULTS or (outer and within) else ""


def _address(found: _Found) -> str | None:
    """Return the URL that a text of a result is. One with spaces may be a sentence: its name or its end decides."""
    text = found.value.strip()
    if data := _DATA.match(text):
        return data[0]
    if len(text) > URL_LIMIT:
        return None
    if _URL.fullmatch(text):
        return json_paths.storable(text)
    named = found.name not in UNNAMED
    if _URL_WITH_SPACES.fullmatch(text) and (named or _IMAGE_PATH.fullmatch(text)):
        return json_paths.storable(text.replace(" ", "%20"))
    return None


# --- nodes ---------------------------------------------------------------------------------------------------------


def _node_id(node: dict[str, Any]) -> str | None:
    return json_paths.text(node.get("nodeId"))


def _input_nodes(document: Any) -> frozenset[str]:
    """Return the ids of the nodes that one of the lists describes as inputs, by their type or id."""
    nodes = [node for node in json_paths.objects(document) if _is_input(node, frozenset())]
    ids = (json_paths.text(node.get(name)) for node in nodes for name in ("nodeId", "id"))
    return frozenset(node_id for node_id in ids if node_id)


def _is_input(node: dict[str, Any], inputs: Set[str]) -> bool:
    """Whether a node gives what the request has, rather than a result. Nodes of a graph have their type in `data`."""
    if _node_id(node) in inputs:
        return True
    parts = [part for part in (node, node.get("data")) if isinstance(part, dict)]
    names = [part.get(name) for part in parts for name in ("nodeType", "type", "nodeId", "id")]
    return any(isinstance(name, str) and name.strip().lower().startswith("input") for name in names)
