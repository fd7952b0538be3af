"""What callers send, as httpx and the SDKs write it, and how intake reads it. No server, no store."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.parse import ParsedRequest, decode_body, submissions
from shared import config
from shared.problems import Problem
from shared.submission import Submission

BEARER = {"Authorization": "Bearer x"}  # large bodies are taken apart only for those who bring a credential
TOKEN, BROWSER = Caller(CallerKind.TOKEN, "zap"), Caller(CallerKind.FORM, "form:https://shop.example")
CHUNK = 65_536

SETTINGS = {
    "WIREFLOW_WEBHOOK_ID": "demo-webhook",
    "WIREFLOW_API_KEY": "sk-demo",
    "JOBS_URL": "sqlite:///jobs.db",
    "IMAGES_URL": "file:///images",
    "FORM_ORIGINS": "https://shop.example,http://localhost:3000",
}


def sent(url: str = "https://images.test/", **content: Any) -> Request:
    """A POST as httpx would send it; JSON in ASCII, which can spell half a character."""
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


def endless(**headers: str) -> tuple[Request, list[int]]:
    """A request whose body never ends, and how many bytes of it were taken."""
    taken = [0]

    async def receive() -> Any:
        taken[0] += CHUNK
        return {"type": "http.request", "body": b" " * CHUNK, "more_body": True}

    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(scope_of(httpx.Request("POST", "https://images.test/", headers=names)), receive), taken


def scope_of(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": request.url.path,
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }


async def anything(_workflow: str, _fields: Mapping[str, Any], _has_image: bool) -> None:
    """A workflow that takes every field."""


async def all_orders(request: Request, caller: Caller = TOKEN, check: Any = anything, **settings: str) -> ParsedRequest:
    """What a request submissions."""
    return await submissions(await decode_body(request), caller, request, config.load({**SETTINGS, **settings}), check)


async def submission(request: Request, caller: Caller = TOKEN, **settings: str) -> Submission:
    """The one submission of a request."""
    (found,) = (await all_orders(request, caller, **settings)).submissions
    assert isinstance(found, Submission)
    return found


async def refusal(request: Request, caller: Caller = TOKEN, check: Any = anything, **settings: str) -> tuple[int, Any]:
    """Status and field of the problem that a request ends with."""
    problem = await refused(request, caller, check, **settings)
    return problem.response().status_code, problem.field


async def refused(request: Request, caller: Caller = TOKEN, check: Any = anything, **settings: str) -> Problem:
    """The problem itself."""
    try:
        await all_orders(request, caller, check, **settings)
    except Problem as problem:
        return problem
    raise AssertionError("it was taken")
