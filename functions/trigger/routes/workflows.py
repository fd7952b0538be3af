"""`GET /workflows`, and the check of a request against its workflow."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.config import Config
from shared.problems import Problem
from shared.runtime.dependencies import Deps
from shared.wireflow.errors import WireflowError
from shared.workflows import FieldRefused, Mode, NodeInput, Workflow, check_fields, public_workflow

from ..auth.authorize import check_may_list_workflows
from ..auth.caller import Caller
from ..context import Context
from ..parsing.pipeline import WorkflowCheck, WorkflowFields


async def list_workflows(request: Request, context: Context) -> Response:
    """`GET /workflows`: the workflows and their fields, without any ID of Wireflow's."""
    check_may_list_workflows(await context.authenticator.reader(request), context.deps.config.auth)
    deps = context.deps
    shown = [public_workflow(one, await inputs_of(one, deps)) for one in deps.config.workflows]
    return JSONResponse({"workflows": shown}, headers={"Cache-Control": "private, no-store"})


def workflow_check(deps: Deps) -> WorkflowCheck:
    """Return the check of a request's fields against its workflow. It raises Problem 422."""

    async def check(caller: Caller, name: str, fields: Mapping[str, Any], images: int) -> None:
        workflow = find_workflow(name, caller, deps.config)
        try:
            check_fields(workflow, fields, images=images, inputs=await inputs_of(workflow, deps))
        except FieldRefused as refused:
            raise Problem("invalid_field", str(refused), field=refused.field) from refused

    return check


def workflow_fields(deps: Deps) -> WorkflowFields:
    """Return the function for the names of a workflow. An unknown workflow has none, and is found later."""

    async def names(name: str) -> list[str] | None:
        workflow = deps.config.workflow(name)
        if workflow is None or workflow.mode is Mode.WEBHOOK:
            return []
        inputs = await inputs_of(workflow, deps)
        if (fields := public_workflow(workflow, inputs)["fields"]) is None:
            return None
        return [*(one.node_id for one in inputs or ()), *(field["name"] for field in fields)]

    return names


def find_workflow(name: str, caller: Caller, config: Config) -> Workflow:
    """Return the workflow with this name. Raises Problem 422 if there is none."""
    if workflow := config.workflow(name):
        return workflow
    # Visitors of a page must not learn the names, as with GET /workflows.
    known = ", ".join(one.name for one in config.workflows)
    hint = "Ask the owner of this page." if caller.browser else f"The workflows are: {known}."
    raise Problem.wrong(f"There is no workflow with this name. {hint}", "workflow")


async def inputs_of(workflow: Workflow, deps: Deps) -> tuple[NodeInput, ...] | None:
    """Return the inputs of a saved workflow, or None while Wireflow does not tell: then they are checked later."""
    if workflow.mode is not Mode.RUN:
        return None
    try:
        return await deps.workflow_inputs.get(workflow)
    except WireflowError:
        return None
