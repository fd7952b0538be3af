"""openapi.json is valid and says what the code does: routes, problems, fields, and values."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest

from functions.trigger.auth import cors
from functions.trigger.parsing import fields, hook_fields
from functions.trigger.router import ROUTES
from shared import config
from shared.batches import BatchStatus
from shared.callbacks import EVENTS, CallbackFormat
from shared.error_codes import Charged, ErrorCode
from shared.hooks import MAX_HOOKS, HookStatus
from shared.images.formats import FORMATS
from shared.job import Image, Job, Step
from shared.job_states import Status
from shared.problems import DOCUMENTATION, PROBLEMS, Problem
from shared.public_job import public_job
from shared.workflows import Mode, public_workflow
from tests.openapi.documents import (
    ALL_CREDENTIALS,
    DOCUMENT,
    ENVIRONMENT,
    INPUTS,
    SCHEMAS,
    TEXT,
    WORKFLOW_INPUTS,
    deployed,
    is_valid,
    operations,
    properties,
    resolved,
    takes,
)

# --- it is valid ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [DOCUMENT, deployed(), deployed(ALL_CREDENTIALS)],
    ids=["the file", "without authentication", "with every credential"],
)
def test_it_is_a_valid_document(document: dict[str, Any]):
    openapi_spec_validator.validate(document)
    for kind, name in re.findall(r'"\$ref": "#/components/(\w+)/([^"]+)"', json.dumps(document)):
        assert name in document["components"][kind], name
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@pytest.mark.parametrize("kind", ["parameters", "headers", "responses", "links", "schemas"])
def test_nothing_in_it_is_unused(kind: str):
    inserted = set(WORKFLOW_INPUTS) if kind == "schemas" else set()
    used = set(re.findall(rf'"#/components/{kind}/([^"]+)"', TEXT))
    assert DOCUMENT["components"][kind].keys() - used == inserted


def test_examples_are_valid():
    content = DOCUMENT["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert is_valid(content["schema"], example["value"], DOCUMENT)


# --- it holds all that the code has --------------------------------------------------------------------------------


def test_every_route_and_method_is_in_it_and_nothing_else():
    found: dict[int, set[str]] = {}
    for path, method, _ in operations(DOCUMENT):
        real = path.replace("{id}", "0" * 32).replace("{index}", "0").replace("{extension}", "png")
        real = real.replace("{version}", "0" * 16).replace("{name}", "page.css")
        (route,) = [methods for pattern, methods in ROUTES if pattern.fullmatch(real)]
        found.setdefault(id(route), set()).add(method.upper())
    for _, methods in ROUTES:
        assert found[id(methods)] - {"OPTIONS"} == {*methods}


def test_every_problem_is_in_it_with_its_status_and_nothing_else():
    said = set()
    for _, _, operation in operations(DOCUMENT):
        for status, response in operation["responses"].items():
            content = resolved(response).get("content", {}).get("application/problem+json")
            if content:
                codes = content["schema"]["properties"]["errorCode"]["enum"]
                assert all(f"`{code}`" in resolved(response)["description"] for code in codes)
                said |= {(int(status), code) for code in codes}
    assert said == {(known.status, code) for code, known in PROBLEMS.items()}
    problem = SCHEMAS["Problem"]["properties"]
    assert problem["errorCode"]["enum"] == [*PROBLEMS]
    assert problem["type"]["enum"] == [DOCUMENTATION + code.replace("_", "-") for code in PROBLEMS]


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_is_as_described(code: str):
    assert takes("Problem", Problem(code, "What to change.", field="prompt").document(), DOCUMENT)


NOW = datetime(2026, 3, 1, tzinfo=UTC)
JOB = Job(
    id="0" * 32,
    status=Status.QUEUED,
    prompt="a cat",
    created_at=NOW,
    expire_at=NOW,
    give_up_at=NOW,
    images=(Image(index=0, source_url="https://cdn.example/0.png"),),
    steps=(Step(label="Generate", status="running", progress=0.5),),
)


def test_the_job_has_every_field_and_nothing_else():
    shown = public_job(JOB, "https://images.test", owner=True, wait_reason=ErrorCode.RATE_LIMITED, estimated_start=NOW)
    assert takes("Job", shown, DOCUMENT)
    for name, value in (("Job", shown), ("Image", shown["images"][0]), ("Step", shown["steps"][0])):
        assert SCHEMAS[name]["properties"].keys() == value.keys()
        assert set(SCHEMAS[name]["required"]) == value.keys()


def test_a_workflow_has_every_field_and_nothing_else():
    for workflow in config.load(ENVIRONMENT).workflows:
        shown = public_workflow(workflow, INPUTS)
        assert takes("Workflow", shown, DOCUMENT)
        assert SCHEMAS["Workflow"]["properties"].keys() == shown.keys()


def test_every_field_of_a_request_is_in_it():
    single, several = properties("Request"), properties("BatchWithDefaults")
    assert single | several == fields.FIELDS.keys()
    assert (single - several, several - single) == ({"prompt"}, {"prompts"})
    assert properties("Form") == properties("MultipartForm") == single - {"metadata"}  # there, a field for each entry
    assert properties("QueryDefaults") == single - {"token", "metadata"}


def test_every_field_of_a_hook_is_in_it():
    assert properties("NewHook") == {*hook_fields.NAMES}
    assert properties("HookWithSecret") - properties("Hook") == {"secret"}
    assert SCHEMAS["Hook"]["properties"]["status"]["enum"] == [*HookStatus]
    created = DOCUMENT["paths"]["/hooks"]["post"]["description"]
    assert f"at most {MAX_HOOKS} hooks" in created


def test_every_header_is_in_it():
    assert set(cors.EXPOSED.split(", ")) <= DOCUMENT["components"]["headers"].keys()
    said = {one["name"].lower() for one in DOCUMENT["components"]["parameters"].values() if one["in"] == "header"}
    # OpenAPI describes these elsewhere: https://spec.openapis.org/oas/v3.1.1.html#fixed-fields-for-use-with-schema
    assert {name.lower() for name in cors.ACCEPTED.split(", ")} - {"accept", "content-type", "authorization"} <= said
    assert {"webhook-id", "webhook-timestamp", "webhook-signature", "x-goog-pubsub-message-id"} <= said
    assert {f"ce-{name}" for name in ("id", "source", "type", "specversion")} <= said


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("JobStatus", Status),
        ("ErrorCode", ErrorCode),
        ("ErrorCharged", Charged),
        ("HookEvent", EVENTS.values()),
        ("HookFormat", CallbackFormat),
        ("ImageType", [one.content_type for one in FORMATS]),
    ],
)
def test_every_value_of_a_closed_list_is_in_it(name: str, values: Any):
    assert SCHEMAS[name]["enum"] == [str(value) for value in values]


def test_every_state_of_a_batch_is_in_it():
    assert SCHEMAS["BatchStatus"]["properties"]["status"]["enum"] == [*BatchStatus]


def test_every_mode_and_type_of_input_is_in_it():
    assert set(SCHEMAS["Workflow"]["properties"]["mode"]["enum"]) == set(Mode)
    kinds = {name.removesuffix("Input").lower() for name in WORKFLOW_INPUTS}
    assert all(f"`{kind}`" in SCHEMAS["WorkflowField"]["properties"]["type"]["description"] for kind in kinds)
