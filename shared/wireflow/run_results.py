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
URL_NAMES = frozenset(
    "url urls uri src image images imageurl imageurls imageuri fileuri fileurl fileurls sample".split()
)
WITHIN = URL_NAMES | {"data", "result", "results", "response", "file", "files", "media", "artifacts", "value"}
# `outputs` may be an object from the id of a node to its output; these are the other names that it has. Of `output`
# and `finalOutput` that is only assumed if every name is an id: they may have any names.
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
_NODE_ID = re.compile(r"[a-z]+(?:[-_:][a-z]+)*[-_:]\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IMAGE_PATH = re.compile(r"[^?#]*\.(?:png|jpe?g|webp|gif|avif)(?:[?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Found:
    """A text of a response: `name` is the nearest one, spelled as above, `node` the id of its node.

    `document`: the JSON text that it is part of.
    """

    value: str
    name: str
    node: str | None
    is_text: bool
    document: str | None


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The ids of the nodes of a response."""

    inputs: frozenset[str]  # nodes that give what the request has
    others: frozenset[str]

    def names(self, key: str) -> bool:
        """Whether a name is the id of a node, or looks like one."""
        return key in self.inputs or key in self.others or _NODE_ID.fullmatch(key) is not None


def result_images(document: Any) -> tuple[ResultImage, ...]:
    """Return each image once, those of the run's final output first; of several signed URLs the last one.

    Its place is its node, else the final output, and its position among the images there. URLs of other schemes (`gs:`,
    `data:`) count only if there are no others: they may be the same images. Callers keep the first IMAGES_LIMIT.
    """
    final = [{FINAL: part.get(FINAL)} for part in json_paths.envelopes(document)]
    nodes = _nodes(document)
    values = list(_texts(document, nodes))
    texts = {found.value for found in values if found.is_text}
    by_node = list(_addresses(values, texts))
    in_final = list(_addresses(_texts(final, nodes, node=FINAL), texts))
    places = _places([*by_node, *in_final])
    urls = {key: url for key, url, _ in [*in_final, *by_node]}
    web = {key: url for key, url in urls.items() if _WEB.match(url)}
    images = (ResultImage(url=url, place=places.get(key)) for key, url in (web or urls).items())
    return tuple(images)


def _addresses(values: Iterable[_Found], texts: Set[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield each URL that is a result: without its signature, as it is, and its node. `texts`: known to be texts."""
    for found in values:
        is_text = found.is_text or found.document in texts or (found.name in UNNAMED and found.value in texts)
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
    found = _texts(document, _nodes(document))
    texts = (json_paths.text(item.value) for item in found if item.is_text or _is_output_text(item))
    return tuple(dict.fromkeys(text for text in texts if text))[-TEXTS_LIMIT:]


def _is_output_text(found: _Found) -> bool:
    return found.name in {"output", "finaloutput"} and _address(found) is None


def _texts(
    value: Any, nodes: _Nodes, name: str = "", node: str | None = None, kind: str = "", within: str | None = None
) -> Iterator[_Found]:
    """Yield every text in a result and every text of a node, without those of input nodes.

    `kind`: "result" or "text". `within`: the JSON text that the value is part of.
    """
    if isinstance(value, str):
        if kind:
            yield _Found(value, name, node, kind == "text", within)
        if kind == "result" and within is None and value.lstrip().startswith(("{", "[")):
            yield from _texts(json_paths.parse(value.encode("utf-8", "replace")), nodes, name, node, kind, value)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, nodes, name, node, kind, within)
    elif isinstance(value, dict) and not _is_input(value, nodes.inputs):
        node = _node_id(value) or node
        for inner, inner_name, inner_kind in _members(value, nodes, name, kind):
            yield from _texts(inner, nodes, inner_name, node, inner_kind, within)


def _members(value: dict[str, Any], nodes: _Nodes, name: str, kind: str) -> Iterator[tuple[Any, str, str]]:
    """Yield the values of an object that are not inputs, with their names and kinds."""
    by_node = name in UNNAMED and all(map(nodes.names, value))
    for key, inner in value.items():
        inner_name = key.replace("_", "").lower()
        inner_kind = _kind(inner_name, name, kind)
        if inner_name.startswith("input"):
            continue
        is_node = by_node or (name == "outputs" and inner_name not in NODE_FIELDS)
        if kind == "result" and is_node and not inner_kind and key not in nodes.inputs:
            yield inner, name if isinstance(inner, str) else inner_name, kind  # an id tells no URL from a text
        else:
            yield inner, inner_name, inner_kind


def _kind(name: str, outer_name: str, outer: str) -> str:
    """Return what the texts under a name are, given the name of the value around it and what that is."""
    if outer == "text" or name == TEXT or (outer and name in DESCRIPTIONS):
        return "text"
    is_index = name.isdecimal() and outer_name in URL_NAMES  # `{"images": {"0": …}}`
    return "result" if name in RESULTS or (outer and (name in WITHIN or is_index)) else ""


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


def _nodes(document: Any) -> _Nodes:
    """Return the ids of all nodes; those that one of the lists describes as inputs, by their type or id, are inputs."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for item in json_paths.objects(document):
        ids = (json_paths.text(item.get(name)) for name in ("nodeId", "id"))
        is_input = _is_input(item, frozenset())
        found[is_input].update(node_id for node_id in ids if node_id and (is_input or "nodeId" in item))
    return _Nodes(frozenset(found[True]), frozenset(found[False] - found[True]))


def _is_input(node: dict[str, Any], inputs: Set[str]) -> bool:
    """Whether a node gives what the request has, rather than a result. Nodes of a graph have their type in `data`."""
    if _node_id(node) in inputs:
        return True
    parts = [part for part in (node, node.get("data")) if isinstance(part, dict)]
    names = [part.get(name) for part in parts for name in ("nodeType", "type", "nodeId", "id")]
    return any(isinstance(name, str) and name.strip().lower().startswith("input") for name in names)
