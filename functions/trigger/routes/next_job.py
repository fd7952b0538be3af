"""`POST /jobs/{id}/next`: a job whose input image is an image of this one, such as an upscaled draft."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared import idempotency
from shared.idempotency import IdempotencyKey
from shared.job import Job
from shared.problems import Problem
from shared.steps.input_images import InputRefused, NoSuchImage, source_image

from ..auth.authorize import UNKNOWN_JOB, check_may_read
from ..auth.caller import Caller
from ..context import Context
from ..parsing.batch import Batch
from ..parsing.fields import image_index, integer, read_field
from ..parsing.idempotency_keys import dedupe_key
from ..parsing.pipeline import Complete, parse_request
from ..responses.refusals import input_problem
from .quote import quote_response
from .submit import submit
from .workflows import workflow_check, workflow_fields

ABSENT = (None, "")  # as Make and Zapier send a field that is not mapped


async def post_next(request: Request, context: Context, job_id: str) -> Response:
    """Handle a request as `POST /` does; `image` is the index of the image, and the prompt that of the job."""
    deps = context.deps
    checks, complete = (workflow_check(deps), workflow_fields(deps)), _from_job(job_id, context)
    parsed = await parse_request(request, context.authenticator, deps.config, *checks, complete)
    if isinstance(parsed.content, Batch):
        raise Problem.wrong("This URL starts one job. Send a JSON object, without prompts.")
    if read_field("dryRun", parsed.fields):
        return await quote_response(parsed, context)
    return await submit(request, parsed.content, parsed, context)


def _from_job(job_id: str, context: Context) -> Complete:
    """Return what makes the fields those of a `POST /` with `fromJob`. It raises Problem 401, 404, 410, or 422."""

    async def complete(caller: Caller, fields: dict[str, Any], key: IdempotencyKey | None) -> dict[str, Any]:
        try:
            prompt = await _prompt_of_source(job_id, fields, caller, context)
        except Problem:  # The source may have been erased since then: a repeat still gets its job.
            earlier = await _earlier(key or _dedupe_key(fields, caller), caller, context)
            if earlier is None:
                raise
            prompt = earlier.prompt
        implied = {"prompt": prompt, "fromJob": job_id, "fromImage": _image_of(fields)}
        own = {name: value for name, value in fields.items() if name != "image"}
        return own | implied if own.get("prompt") in ABSENT else implied | own

    return complete


async def _prompt_of_source(job_id: str, fields: Mapping[str, Any], caller: Caller, context: Context) -> str:
    """Return the prompt of the job that is to be continued, once its image and the fields are checked."""
    source = await context.deps.store.get(job_id)
    if source is None:
        raise Problem("not_found", UNKNOWN_JOB)
    check_may_read(source, caller)
    _check_names(fields)
    try:
        source_image(source, _image_of(fields), caller.name, admin=caller.admin)
    except InputRefused as refusal:
        field = "image" if isinstance(refusal, NoSuchImage) else None
        raise Problem(input_problem(refusal), str(refusal), field=field) from refusal
    return source.prompt


def _check_names(fields: Mapping[str, Any]) -> None:
    """Reject fields that the URL determines, and a missing workflow."""
    for name in ("fromJob", "fromImage"):
        if name in fields:
            raise Problem.wrong(f"The URL names the job; image is the index of its image. Remove {name}.", name)
    if "workflow" not in fields:
        raise Problem.wrong(
            "The field `workflow` is missing. Send the name of the workflow that continues the job.", "workflow"
        )


def _image_of(fields: Mapping[str, Any]) -> int:
    """Return the index of the image, 0 by default."""
    image = fields.get("image")
    if image in ABSENT:
        return 0
    return image_index("image", integer("image", image) if isinstance(image, str) else image)


def _dedupe_key(fields: Mapping[str, Any], caller: Caller) -> IdempotencyKey | None:
    with suppress(Problem):  # it may name the prompt, which is not there
        return dedupe_key(fields, caller)
    return None


async def _earlier(key: IdempotencyKey | None, caller: Caller, context: Context) -> Job | None:
    """The job that a request with this key has created before."""
    if key is None:
        return None
    store = context.deps.store
    job = await store.get(idempotency.job_id(key, caller.name, await store.id_secret()))
    return None if job is None or job.erased_at else job
