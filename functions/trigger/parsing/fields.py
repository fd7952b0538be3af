"""Our fields: one table says how each is read and what it counts for. Every other field goes to Wireflow unchanged.

To add a field, see "How a request is handled" in the README of the trigger.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.callbacks import CallbackFormat
from shared.problems import Problem
from shared.public_job import ALT_TEXT_LIMIT

PROMPT_LIMIT = 4_000  # characters
DEADLINE_LIMIT = 1_000_000_000  # seconds
IMAGES_LIMIT = 10_000  # images of one job
ITEMS_LIMIT = 100  # requests of one batch
FORM_TOKEN_LIMIT = 2_048  # characters
CALLBACKS_LIMIT = 3  # URLs of one request
METADATA_KEYS, METADATA_LIMIT = 20, 4_096  # bytes of all keys and values
JOB_ID = re.compile(r"[0-9a-f]{32}")

# White space, control and noncharacters, and what renderers ignore: Default_Ignorable_Code_Point
# (https://www.unicode.org/reports/tr44/), the annotation marks, and the Braille pattern without dots.
_BLANK = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_METADATA_KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
METADATA_PREFIX = "metadata."  # in forms and queries, of the name of each entry
_FLAGS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)


# --- from JSON: from a field's name and value to what it means, or Problem 422 -------------------------------------


def kind_of(value: Any) -> str:
    """Return what a value of JSON is, such as `a string`: it says why `"true"` is not true."""
    kinds = {str: "a string", bool: "a boolean", list: "an array", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")


def anything(_name: str, value: Any) -> Any:
    """Any value."""
    return value


def string(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise Problem.wrong(f"{name} must be a string, not {kind_of(value)}.", name)
    return value


def non_empty_string(name: str, value: Any) -> str:
    """A string of at least one character."""
    if not isinstance(value, str) or not value:
        raise Problem.wrong(f"{name} must be a string that is not empty.", name)
    return value


def boolean(name: str, value: Any) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise Problem.wrong(f"{name} must be true or false, not {kind_of(value)}.", name)
    return value


def prompt(name: str, value: Any) -> str:
    """A string with something visible, of at most `PROMPT_LIMIT` characters."""
    if not isinstance(value, str) or is_blank(value):
        raise Problem.wrong("The prompt is missing or blank. Send a text that describes the image.", name)
    if len(value) > PROMPT_LIMIT:
        raise Problem.wrong(f"The prompt has {len(value):,} characters; the limit is {PROMPT_LIMIT:,}.", name)
    return value


def batch_items(name: str | None, value: Any, limit: int = ITEMS_LIMIT) -> list[Any]:
    """An array of 1 to `limit` elements. `name` is None if it is the whole body."""
    if not isinstance(value, list) or not value:
        raise Problem.wrong("A batch must be a non-empty array of prompts: strings, or objects with a prompt.", name)
    if len(value) > limit:
        raise Problem.wrong(f"The batch has {len(value):,} requests; the limit is {limit:,}.", name)
    return value


def job_id(name: str, value: Any) -> str:
    """The ID of a job."""
    if not isinstance(value, str) or not JOB_ID.fullmatch(value):
        raise Problem.wrong(f"{name} must be the ID of one of your jobs: 32 lowercase hexadecimal digits.", name)
    return value


def image_index(name: str, value: Any) -> int:
    """The zero-based index of an image."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem.wrong(f"{name} must be the index of an image, an integer from 0, not {kind_of(value)}.", name)
    if not isinstance(value, int) or not 0 <= value < IMAGES_LIMIT:
        raise Problem.wrong(f"{name} must be the index of an image, an integer from 0.", name)
    return value


def seconds(name: str, value: Any) -> float:
    """A positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem.wrong(f"{name} must be a number of seconds, not {kind_of(value)}.", name)
    if not 0 < value < DEADLINE_LIMIT:
        raise Problem.wrong(f"{name} must be a number of seconds above 0 and below {DEADLINE_LIMIT:,}.", name)
    return float(value)


def idempotency_key(name: str, value: Any) -> str:
    """An idempotency key, without its quotes."""
    key = unquoted_key(value) if isinstance(value, str) else None
    if key is None:
        raise Problem.wrong(f"{name} must be a string of 1 to 255 visible ASCII characters, such as a UUID.", name)
    return key


def form_token(name: str, value: Any) -> str:
    """A string that may be a form token; whether it is one, its verifier decides."""
    if not isinstance(value, str) or not 0 < len(value) <= FORM_TOKEN_LIMIT:
        raise Problem.wrong(f"{name} must be the string from GET /form-token.", name)
    return value


def on_failure(name: str, value: Any) -> str:
    """The only alternative to a response with the job."""
    if value != "error":
        raise Problem.wrong(f'{name} must be "error", or left out.', name)
    return "error"


def callback_urls(name: str, value: Any) -> list[str]:
    """A URL, or an array of at most `CALLBACKS_LIMIT` different ones."""
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise Problem.wrong(f"{name} must be an https URL, or an array of them.", name)
    distinct = list(dict.fromkeys(urls))
    if not 1 <= len(distinct) <= CALLBACKS_LIMIT:
        raise Problem.wrong(f"{name} must be one to {CALLBACKS_LIMIT} URLs. For more receivers, use POST /hooks.", name)
    return distinct


def callback_format(name: str, value: Any) -> str:
    """How the body of a message is written."""
    if not isinstance(value, str) or value not in set(CallbackFormat):
        raise Problem.wrong(f"{name} must be one of {', '.join(CallbackFormat)}.", name)
    return value


def alt_text(name: str, value: Any) -> str:
    """A string of at most `ALT_TEXT_LIMIT` characters."""
    if not isinstance(value, str) or len(value) > ALT_TEXT_LIMIT:
        raise Problem.wrong(f"{name} must be a string of at most {ALT_TEXT_LIMIT} characters.", name)
    return value


def metadata(name: str, value: Any) -> dict[str, str]:
    """An object of at most `METADATA_KEYS` strings and `METADATA_LIMIT` bytes."""
    if not isinstance(value, dict) or len(value) > METADATA_KEYS:
        shape = f'an object with at most {METADATA_KEYS} strings, such as {{"order": "1042"}}'
        raise Problem.wrong(f"{name} must be {shape}; in a form, a field for each, such as {name}.order.", name)
    for key, text in value.items():
        if not _METADATA_KEY.fullmatch(key):
            raise Problem.wrong(
                f"A key of {name} must have 1 to 40 characters: letters, digits, `_`, `.`, and `-`.", name
            )
        if not isinstance(text, str):
            raise Problem.wrong(f"The values of {name} must be strings.", f"{name}.{key}")
    if sum(len(key) + len(text.encode()) for key, text in value.items()) > METADATA_LIMIT:
        raise Problem.wrong(f"{name} has more than {METADATA_LIMIT:,} bytes. Send less, such as IDs.", name)
    return value


def is_blank(value: Any) -> bool:
    """Return whether a value is not a text in which something is visible."""
    return not isinstance(value, str) or _BLANK.fullmatch(value) is not None


def unquoted_key(text: str) -> str | None:
    """Return an idempotency key without its quotes, or None if it is malformed.

    Quoted and unquoted are the same key (draft-ietf-httpapi-idempotency-key-header, 2.1).
    """
    if len(text) > 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text if _KEY.fullmatch(text) and '"' not in (text[0], text[-1]) else None


# --- from text, in forms and query strings: to the value that JSON would have, or Problem 422 ----------------------


def as_typed(_name: str, text: str) -> str:
    """The text itself."""
    return text


def flag(name: str, text: str) -> bool:
    """A boolean, as people and browsers write it."""
    if (value := _FLAGS.get(text.strip().lower())) is None:
        raise Problem.wrong(f"{name} must be true or false (on, off, 1, and 0 are accepted, too).", name)
    return value


def number(name: str, text: str) -> float:
    """A decimal number."""
    if not _NUMBER.fullmatch(text.strip()):
        raise Problem.wrong(f"{name} must be a number.", name)
    return float(text.strip())


def integer(name: str, text: str) -> int:
    """An integer."""
    if not _INTEGER.fullmatch(text.strip()):
        raise Problem.wrong(f"{name} must be an integer.", name)
    return int(text.strip())


def list_of_one(_name: str, text: str) -> list[str]:
    """A list, also where the name occurs once."""
    return [text]


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """How one field is read, and what it counts for."""

    from_json: Callable[[str, Any], Any] = anything
    from_text: Callable[[str, str], Any] = as_typed
    attribute: str | None = None  # the attribute of Submission that it sets
    required: bool = False
    compared: bool = True  # whether two requests that differ in it are different requests
    kept_empty_json: bool = False  # null and "" in JSON; other fields are absent then
    kept_empty_text: bool = False  # in forms and queries; others are absent, as inputs left blank are sent empty
    browser_only: bool = False  # of all other callers, a field that is not ours


FIELDS: Mapping[str, Field] = {
    "prompt": Field(prompt, attribute="prompt", required=True, kept_empty_json=True, kept_empty_text=True),
    "prompts": Field(batch_items, list_of_one),
    "workflow": Field(string, attribute="workflow"),
    "image1": Field(string, attribute="image_url"),
    "image2": Field(string, attribute="image2_url"),
    "image3": Field(string, attribute="image3_url"),
    "fromJob": Field(job_id, attribute="from_job"),
    "fromImage": Field(image_index, integer, attribute="from_image"),
    "then": Field(string, attribute="then"),
    "deadlineSeconds": Field(seconds, number, attribute="deadline_seconds"),
    "allowPartial": Field(boolean, flag, attribute="allow_partial"),
    "redirectUrl": Field(string),
    "callbackUrl": Field(callback_urls, list_of_one, attribute="callback_urls", compared=False),
    "callbackFormat": Field(callback_format, attribute="callback_format", compared=False),
    "dryRun": Field(boolean, flag, compared=False),
    "onFailure": Field(on_failure, compared=False),
    "altText": Field(alt_text, attribute="alt_text"),
    "metadata": Field(metadata, attribute="metadata"),
    # An empty key or credential in JSON is a mistake: the sender meant to fill it in.
    "dedupeField": Field(non_empty_string, kept_empty_json=True),
    "idempotencyKey": Field(idempotency_key, compared=False, kept_empty_json=True),
    "token": Field(non_empty_string, compared=False, kept_empty_json=True, kept_empty_text=True),
    "formToken": Field(form_token, compared=False, kept_empty_json=True),
    "cf-turnstile-response": Field(string, compared=False),
    "website": Field(anything, compared=False, kept_empty_json=True, kept_empty_text=True, browser_only=True),
}


def read_field(name: str, fields: Mapping[str, Any]) -> Any:
    """Return our field's value, or None if it is absent. Problem 422 if it is invalid or required."""
    field = FIELDS[name]
    if name not in fields and not field.required:
        return None
    return field.from_json(name, fields.get(name))


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a JSON object without those of ours that are null or "": senders mean that they are absent.

    Zapier sends an unmapped field as "", Make as null.
    """
    return {
        name: value
        for name, value in fields.items()
        if name not in FIELDS or FIELDS[name].kept_empty_json or (value is not None and value != "")
    } | ({"prompts": fields["prompts"]} if "prompts" in fields and "prompt" not in fields else {})  # an empty batch


def with_defaults(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with their defaults. Each entry of `metadata` has its own."""
    given, own = defaults.get("metadata"), fields.get("metadata")
    both = {"metadata": {**given, **own}} if isinstance(given, dict) and isinstance(own, dict) else {}
    return {**defaults, **fields, **both}


def read_text_fields(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the fields of a form or a query string, as JSON would have them. A repeated name becomes a list."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        if text or not is_text_field(name) or (name in FIELDS and FIELDS[name].kept_empty_text):
            texts.setdefault(name, []).append(text)
    fields: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for name, values in texts.items():
        value = FIELDS.get(name, Field()).from_text(name, values[0]) if len(values) == 1 else values
        if name.startswith(METADATA_PREFIX):
            entries[name.removeprefix(METADATA_PREFIX)] = value
        else:
            fields[name] = value
    return {"metadata": entries, **fields} if entries else fields


def is_text_field(name: str) -> bool:
    """Return whether a name in a form or a query string is that of a field of ours."""
    return name in FIELDS or name.startswith(METADATA_PREFIX)


def is_ours(name: str, *, browser: bool) -> bool:
    """Return whether we interpret this field of a browser or of another caller."""
    return name in FIELDS and (browser or not FIELDS[name].browser_only)
