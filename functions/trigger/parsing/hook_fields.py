"""From the body of `POST /hooks` to the events of a hook, and its URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from shared.callbacks import EVENTS, CallbackFormat
from shared.config import Config
from shared.problems import Problem

from .decode import decode
from .fields import string
from .media_type import body_kind
from .read import BODY_LIMIT, read_body
from .urls import check_callback_url

URL = "hookUrl"
EXAMPLE = f'{{"{URL}": "https://example.com/hook"}}'
ALIASES = ("targetUrl", "target_url", "url")  # as subscription tools name it; they expect flat bodies
NAMES = (URL, *ALIASES, "events", "workflow", "format")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFields:
    """The fields of a new hook. `workflow`: None for all."""

    hook_url: str
    events: tuple[str, ...]
    workflow: str | None
    format: CallbackFormat


async def read_hook_fields(request: Request, config: Config) -> HookFields:
    """Return the fields of a new hook. Problem 400, 413, 415, or 422."""
    kind = body_kind(request.headers)
    decoded = decode(kind, request.headers, await read_body(request, BODY_LIMIT), EXAMPLE)
    if not isinstance(decoded.body, dict):
        raise Problem.wrong(f"A hook must be a JSON object such as {EXAMPLE}.")
    if decoded.token is not None:
        raise Problem.wrong("Send the token in the Authorization header only.", "token")
    fields = {name: value for name, value in decoded.body.items() if value is not None and value != ""}
    for name in fields.keys() - set(NAMES):
        raise Problem.wrong(f"A hook has no such field. Send {', '.join((URL, *NAMES[-3:]))}.", name)
    name, url = _url(fields)
    check_callback_url(name, url, config)
    return HookFields(
        hook_url=url,
        events=_events(fields.get("events", list(EVENTS.values()))),
        workflow=_workflow(fields.get("workflow"), config),
        format=_format(fields.get("format", CallbackFormat.STANDARD if name == URL else CallbackFormat.FLAT)),
    )


def _url(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the URL under the first of its names that is sent."""
    given = [(name, string(name, fields[name])) for name in (URL, *ALIASES) if name in fields]
    if not given:
        raise Problem.wrong(f"{URL} is missing. Send the URL that is to be notified.", URL)
    if len({url for _, url in given}) > 1:
        raise Problem.wrong(f"{' and '.join(name for name, _ in given)} differ. Send only {URL}.", given[-1][0])
    return given[0]


def _events(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value  # a form sends one as a text
    known = tuple(EVENTS.values())
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        raise Problem.wrong(f"events must be an array of {', '.join(known)}, or left out for all of them.", "events")
    return tuple(name for name in known if name in names)


def _workflow(value: Any, config: Config) -> str | None:
    if value is None:
        return None
    if config.workflow(name := string("workflow", value)) is None:
        detail = "There is no such workflow. GET /workflows lists them. Leave the field out for all workflows."
        raise Problem.wrong(detail, "workflow")
    return name


def _format(value: Any) -> CallbackFormat:
    if not isinstance(value, str) or value not in set(CallbackFormat):
        raise Problem.wrong(f"format must be one of {', '.join(CallbackFormat)}.", "format")
    return CallbackFormat(value)
