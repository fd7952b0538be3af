"""What a sender probably meant by a misspelled name of a field, and by a request without a prompt."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from shared.problems import Problem

from .fields import FIELDS, METADATA_PREFIX

EXAMPLE = '{"prompt": "a cat"}'
SEARCHED = 1_000  # values
DEPTH = 3  # levels of objects and arrays
SIMILARITY = 0.65  # of 1: `promt` and `user_prompt` are similar, `negative_prompt` is not
LONGEST = 80  # characters of a name that are compared and shown

_JSON_TEXT = re.compile(r'\s*[{\[].{0,1000}?"prompts?"\s*:', re.DOTALL)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


_OURS = {_plain(name): name for name, field in FIELDS.items() if not field.browser_only}


def check_names(names: Iterable[str], declared: Collection[str] | None = ()) -> None:
    """Raise Problem 422 for a name that differs from one of ours only in case, spaces, `_`, and `-`.

    Such a field would be paid for without its effect: `dry_run` would start the job. `declared`: the inputs of the
    workflow, None if they are not known. Then names of one word are accepted: a workflow may have an input `Workflow`,
    and before the paid call it is checked again.
    """
    for name in names:
        meant = _meant(name)
        is_input = name in declared if declared is not None else meant == meant.lower()
        if name != meant and not is_input:
            shown = name[:LONGEST]
            quoted = shown if shown == shown.strip() else json.dumps(shown)
            raise Problem.wrong(f"There is no field {quoted}. Did you mean {meant}?", shown)


def check_metadata_names(names: Iterable[str], declared: Collection[str] | None = ()) -> None:
    """Raise Problem 422 for an entry of `metadata` with a name of its own, which only text can have, in JSON."""
    for name in names:
        if name.startswith(METADATA_PREFIX) and name not in (declared or ()):
            detail = 'In JSON, metadata is an object. Send it as "metadata": {"order": "1042"}.'
            raise Problem.wrong(detail, name[:LONGEST])


def _meant(name: str) -> str:
    """The field of ours that a name is, or is a spelling of; else the name itself."""
    head, dot, key = name.partition(".")
    if dot and _plain(head) == "metadata":
        return f"{METADATA_PREFIX}{key}"
    return _OURS.get(_plain(name), name)


def missing_prompt(fields: Mapping[str, Any]) -> Problem:
    """Return the problem 422 of a request whose prompt is absent, blank, or no string."""
    value = fields.get("prompt")
    if value is None:
        missing = "The prompt is null" if "prompt" in fields else "The prompt is missing"
        similar = _similar({name: value for name, value in fields.items() if name != "prompt"})
        detail = f"{missing}, but {similar}" if similar else f"{missing}. Send one, such as {EXAMPLE}."
    elif isinstance(value, list):
        detail = f"The prompt was sent {len(value):,} times, or as an array. Send one string, or a batch as prompts."
    elif not isinstance(value, str):
        kind = "an object" if isinstance(value, dict) else "a number or a boolean"
        detail = f"The prompt is {kind}. Send a string, such as {EXAMPLE}."
    else:
        detail = "The prompt is missing or blank. Send a text that describes the image."
    return Problem.wrong(detail, "prompt")


def _similar(fields: Mapping[str, Any]) -> str | None:
    """What the request has that is most similar to a prompt, and how to send it; None if nothing is."""
    from difflib import SequenceMatcher  # only a request that is rejected needs it

    matcher = SequenceMatcher(b="prompt")
    best, found = SIMILARITY, None
    for path, value in _paths(fields):
        name = path[-1][:LONGEST]
        shown = f"the request has {json.dumps('.'.join(path)[:LONGEST])}"
        if any(isinstance(text, str) and _JSON_TEXT.match(text) for text in (path[-1], value)):
            return f"{shown}, a field with JSON in it. Send the JSON as the body, with Content-Type: application/json."
        for word in re.split(r"[\[\].]", name):
            matcher.set_seq1(word.strip().lower())
            if matcher.ratio() > best:
                best, found = matcher.ratio(), f"{shown}. {_remedy(nested=len(path) > 1)}"
    return found


def _remedy(*, nested: bool) -> str:
    if nested:
        return f"Send prompt at the top level, such as {EXAMPLE}, or a batch as prompts."
    return "Rename it to prompt, or for a batch to prompts."


def _paths(fields: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The names of the fields, and of those of the objects and arrays in them, with their values."""
    level: list[tuple[tuple[str, ...], Any]] = [((), fields)]
    left = SEARCHED
    for _ in range(DEPTH):
        below = []
        for path, value in level:
            for name, child in list(_children(value))[:left]:
                left -= 1
                yield (*path, name), child
                below.append(((*path, name), child))
        level = below


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), child) for index, child in enumerate(value))
