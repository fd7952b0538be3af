"""Our fields where everything is text, as in forms and query strings: read from what browsers and people write."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from shared.problems import Problem

from .names import OURS

# An input that nobody filled in is sent as an empty text: of ours, only these mean something when they are empty.
MEANT_EVEN_EMPTY = frozenset({"prompt", "token", "website"})

_FLAGS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)


def typed(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a form. A name that comes again stands for a list; Problem for ours that cannot be read."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        if text or name not in OURS or name in MEANT_EVEN_EMPTY:
            texts.setdefault(name, []).append(text)
    return {name: _value(name, values) for name, values in texts.items()}


def _value(name: str, texts: list[str]) -> Any:
    if name == "prompts" or len(texts) > 1:
        return texts
    return _READERS.get(name, str)(texts[0])


def flag(name: str, text: str) -> bool:
    """Yes or no."""
    if (value := _FLAGS.get(text.strip().lower())) is None:
        raise Problem.wrong(f"{name} must be true or false (on, 1, off and 0 count, too).", name)
    return value


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise Problem.wrong(f"{name} must be a number.", name)
    return float(text.strip())


def _whole(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise Problem.wrong(f"{name} must be a whole number.", name)
    return int(text.strip())


_READERS: dict[str, Callable[[str], Any]] = {
    "allowPartial": partial(flag, "allowPartial"),
    "deadlineSeconds": partial(_number, "deadlineSeconds"),
    "fromImage": partial(_whole, "fromImage"),
}
