"""`POST /jobs/{id}/next`: a job whose input image is an image of this one, such as an upscaled draft."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared.problems import Problem
from shared.steps.input_images import InputRefused, NoSuchImage, source_image

from ..auth.authorize import UNKNOWN_JOB, check_may_read
from ..auth.caller import Caller
from ..context import Context
from ..parsing.batch import Batch
from ..parsing.fields import image_index, integer, read_field
from ..parsing.pipeline import Complete, parse_request
from ..responses.refusals import input_problem
from .quote import quote_response
from .submit import submit
from .workflows import workflow_check, workflow_fields


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

    async def complete(caller: Caller, fields: dict[str, Any]) -> dict[str, Any]:
        job = await context.deps.store.get(job_id)
        if job is None:
            raise Problem("not_found", UNKNOWN_JOB)
        check_may_read(job, caller)
        for name in ("fromJob", "fromImage"):
            if name in fields:
                raise Problem.wrong(f"The URL names the job; image is the index of its image. Remove {name}.", name)
        if "workflow" not in fields:
            raise Problem.wrong(
                "The field `workflow` is missing. Send the name of the workflow that continues the job.", "workflow"
            )
        image = fields.pop("image", 0)
        index = image_index("image", integer("image", image) if isinstance(image, str) else image)
        try:
            source_image(job, index, caller.name, admin=caller.admin)
        except InputRefused as refusal:
            field = "image" if isinstance(refusal, NoSuchImage) else None
            raise Problem(input_problem(refusal), str(refusal), field=field) from refusal
        return {"prompt": job.prompt, **fields, "fromJob": job_id, "fromImage": index}

    return complete
