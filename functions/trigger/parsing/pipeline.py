"""From an HTTP request to validated submissions: each step is a file of this package, and each is passed once."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from starlette.datastructures import Headers
from starlette.requests import Request

from shared.config import Config
from shared.idempotency import IdempotencyKey
from shared.problems import Problem
from shared.submission import Submission
from shared.workflows import DEFAULT

from ..auth.authenticate import Authenticator
from ..auth.authorize import check_may_send_batches
from ..auth.caller import Caller, preferred
from ..base_url import base_url
from ..responses.negotiation import wants_page
from . import notifications
from .batch import Batch, BatchItem, is_batch, split_batch
from .decode import D, DecodedBody, decode
from .defaults import Query, merge_defaults, read_query
from .idempotency_keys import dedupe_key, item_key, request_key
from .media_type import BodyKind, body_kind
from .read import KIB, MIB, body_limit, read_body
from .validate import validate, wireflow_fields

THREAD_ABOVE = 64 * KIB  # larger bodies would keep other requests waiting
BATCH_LIMIT = 8 * MIB  # of a batch, serialized: its defaults count for each request

# One thread: several would compete with the event loop for the interpreter, and the default ones serve the stores.
_LARGE_BODIES = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")

# Check a caller's fields against a workflow: its name, the fields, how many input images there are. Problem 422.
WorkflowCheck = Callable[[Caller, str, Mapping[str, Any], int], Awaitable[None]]
# The names of a workflow's inputs, none if it accepts any; None if they are not known.
WorkflowFields = Callable[[str], Awaitable[Collection[str] | None]]
# Complete a caller's fields with those that the URL implies. The key is the request's, without `dedupeField`.
# Raises Problem 401, 404, 409, 410, or 422.
Complete = Callable[[Caller, dict[str, Any], IdempotencyKey | None], Awaitable[dict[str, Any]]]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """A request that is authenticated and valid.

    `fields`: ours and others, with their defaults; of a batch, those beside its requests. `form`: sent by an HTML form.
    """

    caller: Caller
    fields: Mapping[str, Any]
    content: Submission | Batch
    form: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What requests are validated against. `base_url`: at which they have reached us; `size`: of the body, in bytes."""

    caller: Caller
    config: Config
    check_workflow: WorkflowCheck
    workflow_fields: WorkflowFields
    base_url: str
    size: int


@dataclass(frozen=True, slots=True)
class Received(Generic[D]):
    """A request after the steps that do not look at its fields. `key`: of the whole request; `size`: in bytes."""

    caller: Caller
    decoded: D
    query: Query
    fields: Mapping[str, Any]
    key: IdempotencyKey | None
    size: int


async def parse_request(
    request: Request,
    authenticator: Authenticator,
    config: Config,
    check_workflow: WorkflowCheck,
    workflow_fields: WorkflowFields,
    complete: Complete | None = None,
) -> ParsedRequest:
    """Return what a `POST /` asks for. Problem 400, 401, 403, 413, 415, 422, or 503 if it is not accepted."""
    notifications.check_headers(request.headers)
    kind = body_kind(request.headers)
    received = await receive(request, authenticator, kind, partial(body_limit, kind), decode)
    caller, decoded, fields, key = received.caller, received.decoded, received.fields, received.key
    if complete:
        fields = await complete(caller, dict(fields), key)
    rules = Rules(caller, config, check_workflow, workflow_fields, base_url(request, config), received.size)
    content: Submission | Batch
    if is_batch(decoded.body, fields):
        content = await _validate_batch(_split(decoded, fields, caller), key, rules, partial=received.query.partial)
    else:
        content = await validate_request(fields, decoded.files, key or dedupe_key(fields, caller), rules)
    return ParsedRequest(caller=caller, fields=fields, content=content, form=decoded.form)


async def receive(
    request: Request,
    authenticator: Authenticator,
    kind: BodyKind,
    limit: Callable[[bool, Caller | None], int],
    decoder: Callable[[BodyKind, Headers, bytes], D],
) -> Received[D]:
    """Read and decode a request, and find its caller.

    `limit`: of the body in bytes, by whether there is a credential, and the caller without one. Raise Problem as
    `parse_request`.
    """
    header_caller, visitor = await authenticator.headers(request), authenticator.visitor(request)
    has_credential = header_caller is not None or authenticator.expects_signature(request)
    raw = await read_body(request, limit(has_credential, visitor))
    if wants_page(request):
        request.state.body = raw  # the page of a problem has the form again
    signer = await run_step(len(raw), authenticator.signature, request, raw)
    decoded = await run_step(len(raw), decoder, kind, request.headers, raw)
    token_owner = None if decoded.token is None else authenticator.body_token(decoded.token)
    caller = preferred(header_caller, token_owner, signer, visitor)
    if caller is None:
        raise authenticator.missing_credential(request)
    query = read_query(request, signed=signer is not None)
    fields = merge_defaults(decoded.body, query)
    key = request_key(request.headers, fields, decoded.event_key, caller)
    return Received(caller, decoded, query, fields, key, len(raw))


def _split(decoded: DecodedBody, fields: Mapping[str, Any], caller: Caller) -> Iterable[BatchItem]:
    check_may_send_batches(caller)
    for name in decoded.files:
        raise Problem.wrong(
            "Files are accepted in single requests only. In a batch, send the URLs of images instead.", name
        )
    return split_batch(decoded.body, fields)


async def validate_request(
    fields: Mapping[str, Any], files: Mapping[str, bytes], key: IdempotencyKey | None, rules: Rules
) -> Submission:
    """Return the submission of one request. Problem 413 or 422 if a field is invalid, alone or for its workflow."""
    declared = await rules.workflow_fields(str(fields.get("workflow", DEFAULT)))
    given = (rules.caller, rules.config, rules.base_url, declared)
    submission = await run_step(rules.size, validate, fields, files, key, *given)
    images = submission.image_count
    await rules.check_workflow(rules.caller, submission.workflow, wireflow_fields(fields, rules.caller), images)
    if submission.then is not None:
        await _check_then(submission.then, rules)
    return submission


async def _check_then(workflow: str, rules: Rules) -> None:
    """Check the workflow of the job that follows: it gets the prompt and an image, nothing else."""
    try:
        await rules.check_workflow(rules.caller, workflow, {}, 1)
    except Problem as problem:
        raise Problem.wrong(f"The workflow in `then` cannot continue this job. {problem.detail}", "then") from problem


async def _validate_batch(
    items: Iterable[BatchItem], key: IdempotencyKey | None, rules: Rules, *, partial: bool
) -> Batch:
    """All requests of a batch. The first problem is raised, or with `partial` returned in the request's place."""
    found: dict[str, Submission | Problem] = {}
    size = 0
    for item in items:
        try:
            fields = item.fields()
            own_key = item_key(fields, item.index, key, rules.caller)
            found[item.path] = submission = await validate_request(fields, {}, own_key, rules)
            size += len(submission.input.encode()) + len(submission.prompt.encode())
        except Problem as problem:
            found[item.path] = located = item.locate(problem)
            if not partial:
                raise located from problem
        if size > BATCH_LIMIT:
            detail = f"The serialized batch is larger than {BATCH_LIMIT // MIB} MiB. Send fewer or smaller requests."
            raise Problem("body_too_large", detail)
        await asyncio.sleep(0)  # other requests are handled meanwhile
    return Batch(tuple(found.values()), tuple(found), partial)


async def run_step(size: int, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a CPU-bound step on a body of `size` bytes, in the thread for large bodies if it is one."""
    if size > THREAD_ABOVE:
        return await asyncio.get_running_loop().run_in_executor(_LARGE_BODIES, partial(step, *args, **kwargs))
    return step(*args, **kwargs)
