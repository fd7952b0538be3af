"""The operations in the description: what each route takes, and everything that it may answer."""

from collections.abc import Iterable
from typing import Any

from shared.auth_settings import AuthSettings
from shared.job import Status
from shared.problems import PROBLEMS

from ..parsing.fields import JOB_ID
from ..responses.placeholders import SIDE
from ..routes.job_list import CURSOR, DEFAULT_LIMIT, MAX_LIMIT, WORKFLOW_NAME
from .answers import HEADERS, LAST_IMAGE, PICTURES, WAIT, Schema, problem, ref
from .more import NOTE
from .requests import content
from .texts import whole

Content = dict[str, Any]

ALWAYS = ("internal_error",)
STORE = (*ALWAYS, "store_unavailable")
READING = (*STORE, "token_in_url", "unauthorized", "check_unavailable")
POSTING = (
    *(*READING, "invalid_json", "invalid_form", "invalid_event", "invalid_idempotency_key", "forbidden"),
    *("challenge_failed", "not_found", "source_not_ready", "body_too_large", "unsupported_media_type"),
    *("invalid_field", "field_not_supported", "idempotency_key_reused", "rate_limited"),
)
POSTED = ("Location", "Retry-After", "Idempotent-Replayed", "Preference-Applied", "RateLimit", "RateLimit-Policy")
READ = ("ETag", "Retry-After", "Preference-Applied")
# What problems with this status have, or may have, in their headers.
PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}

# In words, not as an operation: who reads a description takes DELETE for removal, and looks for a 404 afterwards.
TAKING_BACK = (
    "`DELETE` takes back a job that waits in line: 200 and the job, which stays readable as `canceled`; 409 for any "
    "other. It needs what reading the job needs."
)
# Not called an id: tools that follow ids would find jobs that have failed or were taken back, and hold the 410 of their
# images for a fault.
TICKET: Schema = {"type": "string", "pattern": whole(JOB_ID), "description": "The `id` of a job."}
PLACEHOLDER = f"For an `Accept` that names images: the image, else word of it, a PNG of {SIDE} pixels (`no-store`)."


def paths(auth: AuthSettings) -> dict[str, Any]:
    """All paths. HEAD is there wherever GET is."""
    return {
        "/": {"post": _post(auth)},
        "/jobs": _read(_list_jobs(), _readers(auth)),
        "/jobs/{ticket}": {
            "description": TAKING_BACK,
            "parameters": [_path("ticket", TICKET)],
            **_read(_get_job(), _readers(auth, optional=True)),
        },
        "/jobs/{ticket}/image": {"parameters": [_path("ticket", TICKET)], **_read(_get_image("getFirstImage"))},
        "/jobs/{ticket}/image/{index}": {
            "parameters": [_path("ticket", TICKET), _path("index", _within(0, LAST_IMAGE))],
            **_read(_get_image("getImage")),
        },
        "/workflows": _read(_list_workflows(), _readers(auth)),
        "/form-token": _read(_form_token()),
        "/health": _read(_operation("getHealth", "Whether it is up", {200: _answer("It is.", "Health")}, ALWAYS)),
        "/openapi.json": _read(_describe()),
    }


# --- operations ----------------------------------------------------------------------------------------------------


def _post(auth: AuthSettings) -> Content:
    taken = "A new job, or one that is not finished; of an array all jobs."
    both = {"application/json": {"schema": {"anyOf": [ref("Job"), ref("Accepted")]}}}
    answers = {
        200: _answer("The job has ended: it was there before, or was waited for.", "Job", POSTED),
        202: {"description": taken, "headers": _headers(POSTED), "content": both},
        207: _answer("Of an array with `partial`: what became of each element.", "Accepted"),
        303: _redirect("For a form and an `Accept` with text/html, or for images when the image is ready.", POSTED),
    }
    body = {"required": True, "description": NOTE, "content": content()}
    made = _operation("createJob", "Make images", answers, POSTING, [PREFER])
    return {**made, "requestBody": body, **_posters(auth)}


def _list_jobs() -> Content:
    blank: Schema = {"const": ""}
    parameters = [
        _query("status", {"type": "string", "enum": [*map(str, Status), ""]}, "Only jobs that stand there."),
        _query("workflow", {"type": "string", "pattern": f"^$|{whole(WORKFLOW_NAME)}"}, "Only jobs of this workflow."),
        _query("since", {"anyOf": [{"type": "string", "format": "date-time"}, blank]}, "Only jobs made then or later."),
        _query("limit", {"anyOf": [_within(1, MAX_LIMIT), blank]}, f"At most so many; {DEFAULT_LIMIT} unless said."),
        _query("cursor", {"type": "string", "pattern": f"^$|{whole(CURSOR)}"}, "`nextCursor` of the page before."),
    ]
    shown = _answer("The caller's jobs, newest first; an admin's list has everybody's.", "Jobs")
    answers = {200: shown}
    return _operation("listJobs", "List jobs", answers, (*READING, "forbidden", "invalid_field"), parameters)


def _get_job() -> Content:
    shown = _answer(
        "The job; for an `Accept` with text/html a page.", "Job", ("ETag", "Retry-After", "Preference-Applied")
    )
    shown["content"]["text/html"] = {"schema": {"type": "string"}}
    answers = {200: shown, 304: NOT_MODIFIED}
    return _operation("getJob", "Read a job", answers, (*READING, "not_found"), [PREFER, IF_NONE_MATCH])


def _get_image(name: str) -> Content:
    shown = {
        "description": PLACEHOLDER,
        "headers": _headers(READ),
        "content": {kind: {} for kind in PICTURES},
    }
    answers = {200: shown, 302: _redirect("To the bytes.", ("Location", "Preference-Applied")), 304: NOT_MODIFIED}
    codes = (*STORE, "not_found", "image_not_ready", "image_failed")
    return _operation(name, "The stored image", answers, codes, [PREFER, IF_NONE_MATCH])


def _list_workflows() -> Content:
    answers = {200: _answer("What a request may say for each.", "Workflows")}
    return _operation("listWorkflows", "List workflows", answers, (*READING, "forbidden"))


def _form_token() -> Content:
    answers = {200: _answer("For a page on an allowed origin, before its form is sent.", "FormToken")}
    return _operation("getFormToken", "A token for a form", answers, (*STORE, "forbidden"))


def _describe() -> Content:
    anything = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return _operation("describe", "This description", {200: anything}, ALWAYS)


def _operation(
    name: str, summary: str, answers: dict[int, Content], codes: Iterable[str], parameters: Iterable[Content] = ()
) -> Content:
    given = list(parameters)
    problems: dict[int, list[str]] = {}
    for code in codes:
        problems.setdefault(PROBLEMS[code].status, []).append(code)
    responses = answers | {status: _problem(status, known) for status, known in problems.items()}
    return {
        "operationId": name,
        "summary": summary,
        **({"parameters": given} if given else {}),
        "responses": {str(status): responses[status] for status in sorted(responses)},
    }


def _read(operation: Content, security: Content | None = None) -> Content:
    """GET, and HEAD, which answers the same without a body."""
    get = operation | (security or {})
    bare = {
        status: {name: value for name, value in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
    }
    return {"get": get, "head": {**get, "operationId": f"{get['operationId']}Head", "responses": bare}}


# --- parts ---------------------------------------------------------------------------------------------------------


def _answer(description: str, schema: str, headers: Iterable[str] = ()) -> Content:
    return {
        "description": description,
        **_with_headers(headers),
        "content": {"application/json": {"schema": ref(schema)}},
    }


def _redirect(description: str, headers: Iterable[str]) -> Content:
    location = {**HEADERS["Location"], "required": True}
    return {"description": description, "headers": _headers(headers) | {"Location": location}}


def _problem(status: int, codes: list[str]) -> Content:
    return {
        "description": ". ".join(PROBLEMS[code].title for code in codes) + ".",
        **_with_headers(PROBLEM_HEADERS.get(status, ())),
        "content": {"application/problem+json": {"schema": problem(codes)}},
    }


def _with_headers(names: Iterable[str]) -> Content:
    shown = _headers(names)
    return {"headers": shown} if shown else {}


def _headers(names: Iterable[str]) -> Content:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _within(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _path(name: str, schema: Schema) -> Content:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: Schema, description: str) -> Content:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str) -> Content:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


PREFER = _header("Prefer", WAIT)
IF_NONE_MATCH = _header("If-None-Match", "An ETag of an answer before, or several; 304 if it is still the same.")
NOT_MODIFIED = {"description": "It is as the caller knows it.", "headers": _headers(("ETag",))}


# --- who may -------------------------------------------------------------------------------------------------------

SCHEMES: dict[str, Content] = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of TRIGGER_TOKENS."},
    "password": {"type": "http", "scheme": "basic", "description": "The token as the password, any user."},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, over webhook-id, webhook-timestamp and the body; five minutes.",
    },
    "event": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Google's, of a subscription."},
}


def security_schemes(auth: AuthSettings) -> dict[str, Content]:
    """Those of the auth that are configured."""
    names = [*_readers_schemes(auth), *(["event"] if auth.event_account else [])]
    return {name: SCHEMES[name] for name in names}


def _readers_schemes(auth: AuthSettings) -> list[str]:
    return [*(["token", "password"] if auth.tokens else []), *(["signature"] if auth.signing_secrets else [])]


def _posters(auth: AuthSettings) -> Content:
    """A credential of any door; a page of an allowed origin needs none."""
    return _security([*security_schemes(auth)], free=bool(auth.origins))


def _readers(auth: AuthSettings, *, optional: bool = False) -> Content:
    return _security(_readers_schemes(auth), free=optional)


def _security(names: list[str], *, free: bool) -> Content:
    if not names:
        return {}
    return {"security": [*({name: []} for name in names), *([{}] if free else [])]}
