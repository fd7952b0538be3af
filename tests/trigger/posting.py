"""Requests as httpx and the SDKs send them, and what the parsing pipeline makes of them. No server, no store."""

import json
from collections.abc import Mapping
from typing import Any, cast

import httpx
from starlette.requests import Request

from functions.trigger.auth.authenticate import Authenticator
from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.batch import Batch
from functions.trigger.parsing.decode import DecodedBody, decode
from functions.trigger.parsing.media_type import body_kind
from functions.trigger.parsing.pipeline import ParsedRequest, parse_request
from functions.trigger.parsing.read import body_limit, read_body
from shared import config
from shared.problems import Problem
from shared.submission import Submission

BEARER = {"Authorization": "Bearer x"}  # more than 512 KiB are read only with a valid credential in a header
TOKEN, BROWSER = Caller(CallerKind.TOKEN, "zap"), Caller(CallerKind.FORM, "form:https://shop.example")
CHUNK = 65_536

SETTINGS = {
    "WIREFLOW_WEBHOOK_ID": "demo-webhook",
    "WIREFLOW_API_KEY": "sk-demo",
    "JOBS_URL": "sqlite:///jobs.db",
    "IMAGES_URL": "file:///images",
    "FORM_ORIGINS": "https://shop.example,http://localhost:3000",
}


# --- requests ------------------------------------------------------------------------------------------------------


def sent(url: str = "https://images.test/", **content: Any) -> Request:
    """A POST as httpx would send it; JSON in ASCII, which can spell a lone surrogate."""
    if "json" in content:
        content["headers"] = httpx.Headers(content.get("headers"))
        content["headers"].setdefault("Content-Type", "application/json")
        content["content"] = json.dumps(content.pop("json"))
    return received(httpx.Request("POST", url, **content))


def received(request: httpx.Request) -> Request:
    """The request as the server hands it over."""
    body = request.read()
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)] or [b""]
    events = iter(
        {"type": "http.request", "body": chunk, "more_body": more}
        for chunk, more in zip(chunks, [True] * (len(chunks) - 1) + [False], strict=True)
    )

    async def receive() -> Any:
        return next(events)

    return Request(scope_of(request), receive)


def endless(headers: Mapping[str, str]) -> tuple[Request, list[int]]:
    """A request whose body never ends, and how many bytes of it were read."""
    read = [0]

    async def receive() -> Any:
        read[0] += CHUNK
        return {"type": "http.request", "body": b" " * CHUNK, "more_body": True}

    return Request(scope_of(httpx.Request("POST", "https://images.test/", headers=headers)), receive), read


def scope_of(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "scheme": request.url.scheme,
        "path": request.url.path,
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }


# --- the pipeline --------------------------------------------------------------------------------------------------


class AlwaysCaller:
    """An authenticator for which every request comes from one caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def headers(self, request: Request) -> Caller | None:
        return self._caller if "authorization" in request.headers else None

    def expects_signature(self, _request: Request) -> bool:
        return False

    def signature(self, _request: Request, _raw: bytes) -> Caller | None:
        return None

    def body_token(self, _token: str) -> Caller | None:
        return self._caller

    def visitor(self, _request: Request) -> Caller | None:
        return self._caller

    def missing_credential(self, _request: Request) -> Problem:
        raise AssertionError("there is always a caller")


async def any_fields(_caller: Caller, _workflow: str, _fields: Mapping[str, Any], _images: int) -> None:
    """A workflow that takes every field."""


async def no_fields(_workflow: str) -> list[str]:
    """A workflow that declares no input."""
    return []


async def decoded(request: Request) -> DecodedBody:
    """The body, after the first steps."""
    kind = body_kind(request.headers)
    raw = await read_body(request, body_limit(kind, "authorization" in request.headers, TOKEN))
    return decode(kind, request.headers, raw)


async def parsed(
    request: Request, caller: Caller = TOKEN, check: Any = any_fields, fields: Any = no_fields, **settings: str
) -> ParsedRequest:
    """The request, after all steps."""
    authenticator = cast("Authenticator", AlwaysCaller(caller))
    return await parse_request(request, authenticator, config.load({**SETTINGS, **settings}), check, fields)


async def submission(request: Request, caller: Caller = TOKEN, **settings: str) -> Submission:
    """The submission of a single request."""
    content = (await parsed(request, caller, **settings)).content
    assert isinstance(content, Submission)
    return content


async def batch(request: Request, caller: Caller = TOKEN, check: Any = any_fields) -> Batch:
    """The batch of a request that holds one."""
    content = (await parsed(request, caller, check)).content
    assert isinstance(content, Batch)
    return content


async def rejection(request: Request, caller: Caller = TOKEN, check: Any = any_fields, **settings: str) -> Problem:
    """The problem that a request is rejected with."""
    try:
        await parsed(request, caller, check, **settings)
    except Problem as problem:
        return problem
    raise AssertionError("the request was not rejected")


async def rejected(
    request: Request, caller: Caller = TOKEN, check: Any = any_fields, **settings: str
) -> tuple[int, str | None]:
    """Status and field of the problem that a request is rejected with."""
    problem = await rejection(request, caller, check, **settings)
    return problem.response().status_code, problem.field
