"""Parsers of WIREFLOW_WORKFLOWS and WIREFLOW_MODELS. One ValueError names every fault, and never an id.

    {"pro": {"mode": "execute", "id": "…", "model": "nano_banana_pro", "resolution": "2K", "aspectRatio": "16:9",
             "pricePerImage": 0.2, "overridable": ["aspect_ratio", "resolution"]},
     "saved": {"mode": "run", "id": "…", "pricePerImage": 0.2}, "hook": {"mode": "webhook", "id": "…"}}

    {"new": ["1K", "2K"], "newer": {"resolutions": ["2K"], "aspectRatios": ["1:1", "1:8"], "inputImages": 3}}

A fault never quotes a value, only what is allowed: any value may be a misplaced secret.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from shared.workflows.models import MODELS, Model
from shared.workflows.workflow import OVERRIDES, Mode, Workflow

Models = Mapping[str, Model]
Entry = Mapping[str, Any]

FIELDS = ("mode", "id", "pricePerImage")
EXECUTE_FIELDS = ("model", "resolution", "aspectRatio", "overridable")
MODEL_FIELDS = ("resolutions", "aspectRatios", "inputImages")
ID_LIMIT = 256  # characters
MAX_PRICE = 10_000  # dollars per image; more is a typing error

_NAME = re.compile(r"[A-Za-z0-9_-]{1,31}")
_MODEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RESOLUTION = re.compile(r"[A-Za-z0-9_.-]{1,16}")
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}")
_QUOTABLE = re.compile(r"[A-Za-z_]{1,32}")  # a misspelled field name, hardly an id


def parse_workflows(text: str, models: Models) -> tuple[Workflow, ...]:
    """Parse WIREFLOW_WORKFLOWS; raise ValueError with all faults."""
    entries, faults = _parse_object(text)
    for number, (name, entry) in enumerate(entries.items(), 1):
        valid = bool(_NAME.fullmatch(name))
        label = f'"{name}"' if valid else f"entry {number}"
        if not valid:
            faults.append(f"{label}: the name must be 1 to 31 letters, digits, _ or -")
        faults.extend(f"{label}: {fault}" for fault in _entry_faults(entry, models))
    _raise_faults(faults)
    return tuple(_workflow(name, entry, models) for name, entry in entries.items())


def parse_models(text: str) -> dict[str, Model]:
    """Parse WIREFLOW_MODELS, JSON from model to resolutions or to an object; return its models with the known ones.

    What it does not say of a known model stays as in the table. Raise ValueError with all faults.
    """
    entries, faults = _parse_object(text)
    for number, (name, entry) in enumerate(entries.items(), 1):
        if not _MODEL.fullmatch(name):
            faults.append(f"model {number}: the name must be 1 to 64 letters, digits, _, . or -")
        else:
            faults.extend(f'"{name}": {fault}' for fault in _model_faults(entry))
    _raise_faults(faults)
    return {**MODELS, **{name: _model(name, entry) for name, entry in entries.items()}}


def _parse_object(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the JSON object, and a fault for each name that occurs twice in any object."""
    faults: list[str] = []

    def check_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        duplicates = sorted({name for name in names if names.count(name) > 1})
        faults.extend(f"{_quoted(name)} occurs twice in one object" for name in duplicates)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=check_pairs, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"must be JSON{at}") from None
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    return found, faults


def _reject_constant(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _raise_faults(faults: list[str]) -> None:
    if faults:
        raise ValueError("; ".join(faults))


def _quoted(name: str) -> str:
    return f'"{name}"' if _QUOTABLE.fullmatch(name) else "a name"


def _is_list_of(value: Any, pattern: re.Pattern[str]) -> bool:
    """Whether the value is a list of different texts that match the pattern."""
    matches = isinstance(value, list) and all(isinstance(item, str) and pattern.fullmatch(item) for item in value)
    return matches and len(value) == len(set(value))


# --- one model -----------------------------------------------------------------------------------------------------


def _model_faults(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        if not (entry and _is_list_of(entry, _RESOLUTION)):
            fields = ", ".join(MODEL_FIELDS)
            yield f'must be a list of different resolutions, such as ["1K", "2K"], or an object with any of {fields}'
        return
    for name in entry:
        if name not in MODEL_FIELDS:
            yield f"{_quoted(name)} is unknown; the known fields are {', '.join(MODEL_FIELDS)}"
    if not _is_list_of(entry.get("resolutions", []), _RESOLUTION):
        yield 'resolutions must be a list of different resolutions, such as ["1K", "2K"], or [] if none is sent'
    if not _is_list_of(entry.get("aspectRatios", []), _RATIO):
        yield 'aspectRatios must be a list of different ratios, such as ["1:1", "16:9"], or [] if none is sent'
    images = entry.get("inputImages", 0)
    if isinstance(images, bool) or not isinstance(images, int) or images < 0:
        yield "inputImages must be how many input images the model accepts, 0 for none"


def _model(name: str, entry: Any) -> Model:
    known = MODELS.get(name, Model(name=name))
    if isinstance(entry, list):
        return replace(known, resolutions=tuple(entry))
    return replace(
        known,
        resolutions=tuple(entry.get("resolutions", known.resolutions)),
        aspect_ratios=tuple(entry.get("aspectRatios", known.aspect_ratios)),
        input_images=int(entry.get("inputImages", known.input_images)),
    )


# --- one workflow --------------------------------------------------------------------------------------------------


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
        yield from _execute_faults(entry, models)


def _id_faults(value: Any) -> Iterator[str]:
    if value is None or value == "":
        yield "id is required: the id of the workflow, or for a webhook the id of the webhook"
    elif not isinstance(value, str) or not _is_id(value):
        yield "id must be the id alone, without the rest of the URL"


def _is_id(text: str) -> bool:
    visible = text.isascii() and text.isprintable() and " " not in text
    return visible and "/" not in text and bool(text.strip(".")) and len(text) <= ID_LIMIT


def _name_faults(entry: Entry) -> Iterator[str]:
    known = [*FIELDS, *EXECUTE_FIELDS]
    for name in entry:
        if name not in known:
            yield f"{_quoted(name)} is unknown; the known fields are {', '.join(known)}"
        elif name in EXECUTE_FIELDS and entry.get("mode") in (Mode.RUN, Mode.WEBHOOK) and entry[name] is not None:
            yield f"{name} is only allowed with mode execute"


def _price_faults(value: Any, models: Models) -> Iterator[str]:
    if value is None or _is_price(value):
        return
    resolutions = dict.fromkeys(resolution for model in models.values() for resolution in model.resolutions)
    if not isinstance(value, dict) or not value or not all(_is_price(price) for price in value.values()):
        yield "pricePerImage must be a number of dollars above 0, or an object from resolution to such a number"
    elif not resolutions.keys() >= value.keys():
        yield f"pricePerImage has an unknown resolution; the known resolutions are {', '.join(resolutions)}"


def _is_price(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= MAX_PRICE


def _execute_faults(entry: Entry, models: Models) -> Iterator[str]:
    overridable = entry.get("overridable")
    if overridable is not None and not _is_list_of(overridable, re.compile("|".join(OVERRIDES))):
        yield f"overridable must be a list of any of {', '.join(OVERRIDES)}, each at most once"
    name = entry.get("model")
    model = models.get(name) if isinstance(name, str) else None
    if model is None:
        yield f"model must be one of {', '.join(models)}, or be added to WIREFLOW_MODELS"
    else:
        yield from _choice_faults(entry, model)


def _choice_faults(entry: Entry, model: Model) -> Iterator[str]:
    """Yield the faults of settings that depend on the model."""
    for setting, field in (("resolution", "resolution"), ("aspectRatio", "aspect_ratio")):
        known, value = model.choices(field), entry.get(setting)
        if known and value is not None and value not in known:
            yield f"{setting} must be one of {', '.join(known)}"
        elif not known and value is not None:
            yield f"{setting} must be left out: the model {model.name} has no such option"


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
        models=tuple(models.values()),
    )
