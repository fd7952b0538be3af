"""`GET /workflows`, and the check of a request against the workflow that it names."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.problems import Problem
from shared.runtime.dependencies import Deps
from shared.wireflow.errors import WireflowError
from shared.workflows import FieldRefused, Mode, NodeInput, Workflow, check_fields, public_workflow

from ..context import Context
from ..parsing.fields import Check


async def list_workflows(request: Request, context: Context) -> Response:
    """`GET /workflows`: what a request may say for each; never an id of Wireflow's."""
    context.auth.may_list(await context.auth.reader(request))
    deps = context.deps
    shown = [public_workflow(one, await inputs_of(one, deps)) for one in deps.config.workflows]
    return JSONResponse({"workflows": shown}, headers={"Cache-Control": "private, no-store"})


def checked(deps: Deps) -> Check:
    """Problem if the workflow is not there, or a field does not fit it."""

    async def check(name: str, fields: Mapping[str, Any], has_image: bool) -> None:
        workflow = deps.config.workflow(name)
        if workflow is None:
            known = ", ".join(one.name for one in deps.config.workflows)
            raise Problem("invalid_field", f"There is no workflow of this name. There are: {known}.", field="workflow")
        try:
            check_fields(workflow, fields, has_image=has_image, inputs=await inputs_of(workflow, deps))
        except FieldRefused as refused:
            raise Problem("invalid_field", str(refused), field=refused.field) from refused

    return check


async def inputs_of(workflow: Workflow, deps: Deps) -> tuple[NodeInput, ...] | None:
    """What a saved workflow takes, where Wireflow tells: while it does not, requests wait instead of being refused."""
    if workflow.mode is not Mode.RUN:
        return None
    try:
        return await deps.workflow_inputs.get(workflow)
    except WireflowError:
        return None
