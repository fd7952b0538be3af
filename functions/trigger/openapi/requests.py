"""What the description says of requests: a schema for each workflow, as strict as the code.

As far as schemas go: what depends on earlier requests stands apart (more.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.auth_settings import AuthSettings
from shared.workflows import DEFAULT, NodeInput, Workflow

from ..parsing.batch import ROWS_LIMIT
from ..parsing.fields import PROMPT_LIMIT
from ..parsing.names import RESERVED
from ..parsing.urls import LONGEST
from .answers import Schema, ref
from .texts import ADDRESS, FLAG, NOT_BLANK, if_at_all, on_origins
from .workflows import Variant, variants

PROMPT = "What the image shows."
IMAGE = "An input image: an https address on a public host. The host may be a public IP address, too."
PARTIAL = "Whether images that can be had are enough, if others cannot be copied."
REDIRECT = "Where a form without JavaScript goes on: an address on an origin of FORM_ORIGINS."
CREDENTIAL = "As `Authorization: Bearer`; never kept."
TURNSTILE = "Of the page's Turnstile widget, where the deployment asks browsers for it."
MORE = "It may hold the fields of `MoreFields`, too."
MANY = "Many requests at once: texts, or requests without a token. For callers with a token, a signature or an event."
BESIDE = "What stands beside `prompts` holds for each of them that does not say otherwise."

TEXT: Schema = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Described:
    """A workflow, and of a saved one its inputs where they are known."""

    workflow: Workflow
    inputs: tuple[NodeInput, ...] | None = None


def requests(workflows: Iterable[Described], auth: AuthSettings) -> dict[str, Schema]:
    """The schemas of what may be decoded, by name; `JsonBody` and `Form` are all of it."""
    workflows = list(workflows)
    json = {f"Request.{one.workflow.name}": _request(one, JSON, auth) for one in workflows}
    form = {f"Form.{one.workflow.name}": _request(one, FORM, auth) for one in workflows}
    return {
        "Prompt": {**TEXT, "description": PROMPT, "pattern": NOT_BLANK, "maxLength": PROMPT_LIMIT},
        "ImageAddress": {**TEXT, "description": IMAGE, "pattern": ADDRESS, "maxLength": LONGEST},
        **json,
        "Request": _any_of(json),
        "Requests": _many(),
        "Prompts": {
            "type": "object",
            "description": BESIDE,
            "properties": {"prompts": _many(), "token": TEXT, **dict.fromkeys(RESERVED, False)},
            "required": ["prompts"],
        },
        "JsonBody": _any_of(["Request", "Prompts", "Requests"]),
        **form,
        "Form": _any_of(form),
    }


def content() -> dict[str, Any]:
    """The body of `POST /` by its media type."""
    form = {"schema": ref("Form")}
    return {
        "application/json": {"schema": ref("JsonBody"), "example": {"prompt": "a cat"}},
        "application/x-www-form-urlencoded": form,
        "multipart/form-data": form,
    }


def _any_of(names: Iterable[str]) -> Schema:
    return {"anyOf": [ref(name) for name in names]}


def _many() -> Schema:
    request = {"allOf": [ref("Request"), {"properties": {"token": False}}]}
    items = {"anyOf": [ref("Prompt"), request]}
    return {"type": "array", "description": MANY, "items": items, "minItems": 1, "maxItems": ROWS_LIMIT}


# --- one request ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How our fields are written. `said`: what must be so of one for it to count; `refused`: one that is not taken."""

    form: bool
    image: Schema
    job: Schema
    flag: Schema
    other: Any
    refused: Any
    said: Any


JSON = Spelling(
    form=False,
    image=ref("ImageAddress"),
    job=ref("JobId"),
    flag={"type": "boolean"},
    other=True,
    refused=False,
    said=True,
)
# Of ours, an empty text is none: https://html.spec.whatwg.org/#constructing-the-form-data-set has all inputs sent.
FORM = Spelling(
    form=True,
    image={"anyOf": [ref("ImageAddress"), {"const": ""}]},
    job={"anyOf": [ref("JobId"), {"const": ""}]},
    flag={**TEXT, "pattern": if_at_all(FLAG)},
    other=True,  # whatever it is, it comes as text
    refused={"const": ""},
    said={"minLength": 1},
)


def _request(one: Described, spelling: Spelling, auth: AuthSettings) -> Schema:
    ways = [
        _way(one.workflow.name, variant, spelling, auth)
        for variant in variants(one.workflow, one.inputs, form=spelling.form)
    ]
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def _way(name: str, variant: Variant, spelling: Spelling, auth: AuthSettings) -> Schema:
    usual = name == DEFAULT
    rules = [*variant.rules, *([_one_source(spelling)] if variant.image else [])]
    return {
        "type": "object",
        "description": MORE,
        "properties": {
            "prompt": ref("Prompt"),
            "workflow": {"enum": [name, *([""] if usual and spelling.form else [])]},
            **_image(spelling, taken=variant.image),
            **_ours(spelling, auth),
            **variant.fields,
        },
        "required": ["prompt", *([] if usual else ["workflow"])],
        "additionalProperties": spelling.other if variant.others else False,
        **({"allOf": rules} if rules else {}),
    }


def _ours(spelling: Spelling, auth: AuthSettings) -> dict[str, Any]:
    redirect = {**TEXT, "description": REDIRECT, "pattern": on_origins(auth.origins), "maxLength": LONGEST}
    empty = [{"const": ""}] if spelling.form else []
    anything: Schema = TEXT if spelling.form else {}
    return {
        "redirectUrl": {"anyOf": [redirect, *empty]} if auth.origins else spelling.refused,
        "allowPartial": {**spelling.flag, "description": PARTIAL},
        "token": {**TEXT, "description": CREDENTIAL},
        "cf-turnstile-response": {**anything, "description": TURNSTILE},
        **dict.fromkeys(RESERVED, spelling.refused),
    }


def _image(spelling: Spelling, *, taken: bool) -> dict[str, Any]:
    names = {"image1": spelling.image, "fromJob": spelling.job}
    return names if taken else dict.fromkeys(names, spelling.refused)


def _one_source(spelling: Spelling) -> Schema:
    """Either an address or an earlier job."""
    said = [{"required": [name], "properties": {name: spelling.said}} for name in ("image1", "fromJob")]
    return {"not": {"allOf": said}}
