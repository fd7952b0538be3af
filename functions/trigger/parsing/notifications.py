"""Notifications of this product that are posted back to it: each would become another job, and cost money.

A receiver of ours, or a tool between, may be set to the trigger by mistake.
"""

import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from shared.problems import Problem

_JOB = {"id", "statusUrl", "imageUrl"}  # fields that no job lacks, even if much of it was cut
_IN_TEXT = ('"statusUrl"', '"imageUrl"')  # of a job as JSON text
_SEPARATORS = re.compile(r"[\[\].]+|__")  # in forms: `data[id]`, `data.id`, `data__id`
_MESSAGE_ID = re.compile(r"[0-9a-f]{32}-\d+-(succeeded|failed|canceled)", re.ASCII)


def check_headers(headers: Headers) -> None:
    """Check that the request has no headers of our messages. Problem 422, even if their signature is invalid here."""
    if "webhook-timestamp" in headers and _MESSAGE_ID.fullmatch(headers.get("webhook-id", "")):
        raise _notification()


def check_body(body: Any) -> None:
    """Check that no part of a decoded body is a job of ours, in any format. Problem 422."""
    level = [body]
    while level:
        if any(map(_is_job, level)):
            raise _notification()
        level = [child for value in level for child in _children(value)]


def _is_job(value: Any) -> bool:
    if isinstance(value, str):
        return all(name in value for name in _IN_TEXT)
    if not isinstance(value, Mapping) or not any("statusUrl" in name for name in value):
        return False
    return {_SEPARATORS.split(name.rstrip("]"))[-1] for name in value} >= _JOB


def _children(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _notification() -> Problem:
    return Problem.wrong(
        "This is a notification about a job, not a request for a new one. If it was delivered here, the callbackUrl or "
        "hookUrl is wrong: it must be the URL of your own receiver. To create another image, send a new request with a "
        "prompt, without the fields of the job."
    )
