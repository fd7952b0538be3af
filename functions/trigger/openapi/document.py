"""`GET /openapi.json`: the document in openapi.json with the URL, workflows, and authentication of this deployment.

OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1.html. Keep out of it what openapi-python-client 0.29 cannot read:
boolean schemas and `not`. What a schema cannot say without them is in a description.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.auth_settings import AuthSettings
from shared.workflows import DEFAULT, IMAGES, Mode, NodeInput, Workflow, public_workflow

from ..auth.authorize import may_see_workflows
from ..base_url import base_url
from ..context import Context
from ..routes.workflows import inputs_of

Schema = dict[str, Any]
WorkflowInputs = tuple[Workflow, Sequence[NodeInput] | None]


async def openapi(request: Request, context: Context) -> Response:
    """Return the document of this deployment, with its workflows for those who may list them.

    It contains no Wireflow ids and no secrets. Raises Problem as `Authenticator.reader` does.
    """
    deps = context.deps
    workflows = deps.config.workflows if may_see_workflows(await context.authenticator.reader(request)) else ()
    inputs = await asyncio.gather(*(inputs_of(workflow, deps) for workflow in workflows))
    config, described = deps.config, list(zip(workflows, inputs, strict=True))
    document = deployed(base_url(request, config), described, config.auth, playground=config.playground)
    return JSONResponse(document, headers={"Cache-Control": "private, no-cache"})


def deployed(
    url: str, workflows: Sequence[WorkflowInputs], auth: AuthSettings, *, playground: bool = False
) -> dict[str, Any]:
    """Return the document for a deployment at `url`, with or without a playground.

    `workflows`: each with its inputs, None where unknown. Without workflows their names and fields stay general.
    """
    document: dict[str, Any] = json.loads(_text())
    document["servers"] = [{"url": url}]
    if workflows:
        _insert_workflows(document["components"]["schemas"], workflows)
    _keep_configured(document, auth)
    if not playground:
        del document["paths"]["/"]["get"]
    return document


@cache
def _text() -> str:
    """Read openapi.json at the first request for it: a cold start does not need it."""
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


# --- workflows -----------------------------------------------------------------------------------------------------


def _insert_workflows(schemas: dict[str, Schema], workflows: Sequence[WorkflowInputs]) -> None:
    """Name the workflows, and replace the general `Request` by one schema per workflow, `Request.NAME`."""
    schemas["WorkflowName"]["enum"] = [workflow.name for workflow, _ in workflows]
    general = schemas["Request"]
    requests = {
        f"Request.{workflow.name}": _request(general, schemas, workflow, inputs) for workflow, inputs in workflows
    }
    schemas.update(requests)
    schemas["Request"] = {"description": general["description"], "anyOf": [_reference(name) for name in requests]}


def _request(
    general: Schema, schemas: dict[str, Schema], workflow: Workflow, inputs: Sequence[NodeInput] | None
) -> Schema:
    """Return the schema of a request for this workflow: the general one, narrowed to the fields it accepts."""
    options, from_job, own = general["allOf"]
    is_default = workflow.name == DEFAULT
    name = {"const": workflow.name}
    properties = {**own["properties"], "workflow": {"anyOf": [name, _reference("Absent")]} if is_default else name}
    required = [*own["required"], *([] if is_default else ["workflow"])]
    description = f"A request for the workflow `{workflow.name}`."
    parts = [options, from_job, {"type": "object", "properties": properties, "required": required}]
    fields = public_workflow(workflow, inputs)["fields"]
    if fields is None:
        return {"description": f"{description} Any other field is an input of the workflow.", "allOf": parts}
    images = [field for field in fields if field["type"] == "image"]
    for unused in IMAGES[len(images) :]:
        del properties[unused]
    if not images:
        parts.remove(from_job)
    elif images[0]["required"]:
        parts.append({"anyOf": [{"required": ["image1"]}, {"required": ["fromJob"]}]})
    for field in fields:
        if field["name"] not in properties:
            properties[field["name"]] = _input(field, workflow, schemas)
            required += [field["name"]] if field["required"] else []
    return {"description": description, "allOf": parts, "unevaluatedProperties": False}


def _input(field: dict[str, Any], workflow: Workflow, schemas: dict[str, Schema]) -> Schema:
    """Return the schema of an input; null and an empty string count as not sent. Unknown types accept any value."""
    if workflow.mode is Mode.EXECUTE:
        values = {"type": "string", "enum": workflow.choices(field["name"])}
        return {"anyOf": [values, {"type": "null"}, {"const": ""}]}
    name = f"{field['type'].capitalize()}Input"
    return _reference(name) if name in schemas else {}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# --- authentication ------------------------------------------------------------------------------------------------


def _keep_configured(document: dict[str, Any], auth: AuthSettings) -> None:
    """Remove the security schemes that are not configured; an operation without any has no `security`."""
    configured = {
        **dict.fromkeys(("token", "password"), bool(auth.tokens)),
        "signature": bool(auth.signing_secrets),
        "event": bool(auth.event_account),
        "form": bool(auth.origins),
    }
    schemes = document["components"].pop("securitySchemes")
    if kept := {name: scheme for name, scheme in schemes.items() if configured[name]}:
        document["components"]["securitySchemes"] = kept
    for operation in _operations(document):
        if "security" in operation:
            alternatives = [one for one in operation.pop("security") if one.keys() <= kept.keys()]
            if auth.needs_no_credential and {} not in alternatives:
                alternatives.append({})
            if any(alternatives):
                operation["security"] = alternatives


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))
