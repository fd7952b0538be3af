"""WIREFLOW_WORKFLOWS and WIREFLOW_MODELS: read whole, every fault named at once, no id in any message.

    {"pro": {"mode": "execute", "id": "…", "model": "nano_banana_pro", "resolution": "2K", "aspectRatio": "16:9",
             "pricePerImage": {"1K": 0.13, "2K": 0.13, "4K": 0.24}, "overridable": ["aspect_ratio", "resolution"]},
     "saved": {"mode": "run", "id": "…", "pricePerImage": 0.07}, "hook": {"mode": "webhook", "id": "…"}}

No value is quoted in a fault, only what may stand there: a secret may have slipped into any of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from shared.workflows.workflow import ASPECT_RATIOS, KNOWN_MODELS, OVERRIDES, Mode, Workflow

Models = Mapping[str, tuple[str, ...]]
Entry = Mapping[str, Any]

ANY_MODE = ("mode", "id", "pricePerImage")
ONLY_EXECUTE = ("model", "resolution", "aspectRatio", "overridable")
ID_LIMIT = 256
DEAREST = 10_000  # dollars an image; more is a slip

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,31}")
_MODEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RESOLUTION = re.compile(r"[A-Za-z0-9_.-]{1,16}")
_QUOTABLE = re.compile(r"[A-Za-z_]{1,32}")  # a misspelt name, hardly an id


def parse_workflows(text: str, models: Models) -> tuple[Workflow, ...]:
    """WIREFLOW_WORKFLOWS; ValueError says what is wrong."""
    entries, faults = _object(text)
    for number, (name, entry) in enumerate(entries.items(), 1):
        where = f'"{name}"' if _ALIAS.fullmatch(name) else f"entry {number}"
        if not _ALIAS.fullmatch(name):
            faults.append(f"{where}: its name must be 1 to 31 letters, digits, _ or -")
        faults.extend(f"{where}: {fault}" for fault in _entry_faults(entry, models))
    _refuse(faults)
    return tuple(_workflow(name, entry, models) for name, entry in entries.items())


def parse_models(text: str) -> dict[str, tuple[str, ...]]:
    """WIREFLOW_MODELS: JSON, model → resolutions, beside the known ones; ValueError says what is wrong.

    A known model that is named there has the resolutions that are given there.
    """
    entries, faults = _object(text)
    for number, (name, resolutions) in enumerate(entries.items(), 1):
        if not _MODEL.fullmatch(name):
            faults.append(f"model {number}: its name must be 1 to 64 letters, digits, _, . or -")
        elif not _texts(resolutions, _RESOLUTION):
            faults.append(f'"{name}": must be a list of its resolutions, such as ["1K", "2K"], each once')
    _refuse(faults)
    return {**KNOWN_MODELS, **{name: tuple(resolutions) for name, resolutions in entries.items()}}


def _object(text: str) -> tuple[dict[str, Any], list[str]]:
    """The JSON object, and a fault for each name that stands twice."""
    faults: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults.extend(f"{_quoted(name)} stands twice in one object" for name in twice)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"must be JSON{at}") from None
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    return found, faults


def _no_number(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _refuse(faults: list[str]) -> None:
    if text := "; ".join(faults):
        raise ValueError(text)


def _quoted(name: str) -> str:
    return f'"{name}"' if _QUOTABLE.fullmatch(name) else "a name"


def _texts(value: Any, form: re.Pattern[str]) -> bool:
    """Whether it is a list of at least one such text, each once."""
    fits = isinstance(value, list) and all(isinstance(item, str) and form.fullmatch(item) for item in value)
    return fits and 0 < len(value) == len(set(value))


# --- one entry -----------------------------------------------------------------------------------------------------


def _entry_faults(entry: Any, models: Models) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield 'must be an object such as {"mode": "webhook", "id": "…"}'
        return
    if entry.get("mode") not in list(Mode):
        yield f"mode must be one of {', '.join(Mode)}"
    yield from _id_faults(entry.get("id"))
    yield from _name_faults(entry)
    yield from _price_faults(entry.get("pricePerImage"), models)
    if entry.get("mode") == Mode.EXECUTE:
        yield from _graph_faults(entry, models)


def _id_faults(value: Any) -> Iterator[str]:
    if value is None or value == "":
        yield "id is required: that of the workflow, for a webhook that of the webhook"
    elif not isinstance(value, str) or not _is_id(value):
        yield "id must be the id alone, the part of the workflow's address that names it"


def _is_id(text: str) -> bool:
    visible = text.isascii() and text.isprintable() and " " not in text
    return visible and "/" not in text and bool(text.strip(".")) and len(text) <= ID_LIMIT


def _name_faults(entry: Entry) -> Iterator[str]:
    known = [*ANY_MODE, *ONLY_EXECUTE]
    for name in entry:
        if name not in known:
            yield f"{_quoted(name)} is unknown; known are {', '.join(known)}"
        elif name in ONLY_EXECUTE and entry.get("mode") in (Mode.RUN, Mode.WEBHOOK) and entry[name] is not None:
            yield f"{name} is only for the mode execute"


def _price_faults(value: Any, models: Models) -> Iterator[str]:
    if value is None or _is_price(value):
        return
    resolutions = dict.fromkeys(resolution for known in models.values() for resolution in known)
    if not isinstance(value, dict) or not value or not all(_is_price(price) for price in value.values()):
        yield "pricePerImage must be a number of dollars above 0, or an object of resolutions with such numbers"
    elif not resolutions.keys() >= value.keys():
        yield f"pricePerImage has an unknown resolution; known are {', '.join(resolutions)}"


def _is_price(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= DEAREST


def _graph_faults(entry: Entry, models: Models) -> Iterator[str]:
    """Of an executed workflow: a model that is known, and what it can do."""
    model, resolution, ratio = (entry.get(name) for name in ("model", "resolution", "aspectRatio"))
    known = models.get(model) if isinstance(model, str) else None
    if known is None:
        yield f"model must be one of {', '.join(models)} (or of WIREFLOW_MODELS)"
    elif resolution is not None and resolution not in known:
        yield f"resolution must be one of {', '.join(known)}"
    if ratio is not None and ratio not in ASPECT_RATIOS:
        yield f"aspectRatio must be one of {', '.join(ASPECT_RATIOS)}"
    overridable = entry.get("overridable")
    if overridable not in (None, []) and not _texts(overridable, re.compile("|".join(OVERRIDES))):
        yield f"overridable must be a list of any of {', '.join(OVERRIDES)}, each once"


def _workflow(name: str, entry: Entry, models: Models) -> Workflow:
    price = entry.get("pricePerImage")
    prices = price.items() if isinstance(price, dict) else [(None, price)] if price is not None else []
    return Workflow(
        name=name,
        mode=Mode(entry["mode"]),
        id=entry["id"],
        model=entry.get("model"),
        resolution=entry.get("resolution"),
        aspect_ratio=entry.get("aspectRatio"),
        prices=tuple(prices),
        overridable=tuple(entry.get("overridable") or ()),
        models=tuple(models.items()),
    )
