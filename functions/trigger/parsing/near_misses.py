"""Why a request has no prompt: what its sender probably meant to send as one."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.problems import Problem

EXAMPLE = '{"prompt": "a cat"}'
SEARCHED = 1_000  # values
DEPTH = 3  # levels of objects
SIMILARITY = 0.65  # of 1: `promt` and `user_prompt` are similar, `negative_prompt` is not


def missing_prompt(fields: Mapping[str, Any]) -> Problem:
    """Return the problem 422 of a request whose prompt is absent, blank, or no string."""
    value = fields.get("prompt")
    if value is None:
        return Problem.wrong(_similar(fields) or f"The prompt is missing. Send one, such as {EXAMPLE}.", "prompt")
    if isinstance(value, list):
        detail = f"The prompt was sent {len(value):,} times, or as an array. Send one string, or a batch as prompts."
        return Problem.wrong(detail, "prompt")
    if not isinstance(value, str):
        kind = "an object" if isinstance(value, dict) else "a number or a boolean"
        return Problem.wrong(f"The prompt is {kind}. Send a string, such as {EXAMPLE}.", "prompt")
    return Problem.wrong("The prompt is missing or blank. Send a string that describes the image.", "prompt")


def _similar(fields: Mapping[str, Any]) -> str | None:
    """A sentence that names the field that is most similar to a prompt, or None."""
    from difflib import SequenceMatcher  # only a request that is rejected needs it

    matcher = SequenceMatcher(b="prompt")
    found: list[tuple[float, str, bool]] = []
    for path in _paths(fields):
        segments = [part for part in re.split(r"[\[\].]", path[-1]) if not part.isdecimal()]
        word = next((part for part in reversed(segments) if part.strip()), "").strip().lower()[:40]
        matcher.set_seq1(word)
        found.append((matcher.ratio(), ".".join(path), len(path) > 1))
    similarity, name, nested = max(found, default=(0.0, "", False))
    if similarity < SIMILARITY:
        return None
    shown = json.dumps(name[:80])
    if nested:
        return f"The prompt is missing, but the request has {shown}. Send prompt at the top level, such as {EXAMPLE}."
    return f"The prompt is missing, but the request has {shown}. Rename it to prompt, or for a batch to prompts."


def _paths(fields: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The names of the fields, and of those of the objects in them."""
    level: Iterable[tuple[tuple[str, ...], Any]] = [((), fields)]
    left = SEARCHED
    for _ in range(DEPTH):
        below = []
        for path, value in level:
            for name, child in list(value.items())[:left]:
                left -= 1
                yield (*path, name)
                if isinstance(child, dict):
                    below.append(((*path, name), child))
        level = below
