"""openapi.json says what the code does: routes, problems, fields, and limits. What is served fits the deployment."""

import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest

import functions.trigger.openapi.document as served
from functions.trigger.auth import cors, form_tokens, signatures
from functions.trigger.parsing import (
    fields,
    forms,
    hook_fields,
    idempotency_keys,
    json_body,
    pipeline,
    read,
    urls,
    validate,
)
from functions.trigger.responses import placeholders, prefer
from functions.trigger.router import ROUTES
from functions.trigger.routes import job_list
from shared import config
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.batches import MAX_ROWS, BatchStatus
from shared.callbacks import EVENTS, CallbackFormat
from shared.error_codes import Charged, ErrorCode
from shared.hooks import MAX_HOOKS, HookStatus
from shared.images.formats import FORMATS
from shared.job import Image, Job, Step
from shared.job_states import Status
from shared.problems import DOCUMENTATION, PROBLEMS, Problem
from shared.public_job import public_job
from shared.workflows import Mode, NodeInput, public_workflow

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "functions/trigger/openapi/openapi.json").read_text()
DOCUMENT: dict[str, Any] = json.loads(TEXT)
SCHEMAS = DOCUMENT["components"]["schemas"]
MEBIBYTE = 1024 * 1024
# The schemas that document.py refers to.
WORKFLOW_INPUTS = ("TextInput", "ImageInput", "UrlInput", "NumberInput", "BooleanInput", "SelectInput")

IDS = ("webhook-of-this-test", "graph-of-this-test", "saved-of-this-test", "sk-of-this-test")
WORKFLOWS = {
    "pro": {"mode": "execute", "id": IDS[1], "model": "nano_banana_pro", "overridable": ["resolution"]},
    "free": {"mode": "execute", "id": IDS[1], "model": "nano_banana", "overridable": ["model", "resolution"]},
    "plain": {
        "mode": "execute",
        "id": IDS[1],
        "model": "nano_banana_2_lite",
        "overridable": ["aspect_ratio", "resolution"],
    },
    "saved": {"mode": "run", "id": IDS[2]},
}
INPUTS = (
    NodeInput(node_id="n1", label="Prompt", kind="text", required=True),
    NodeInput(node_id="n2", label="Reference", kind="image"),
    NodeInput(node_id="n3", label="Seed", kind="number", required=True),
    NodeInput(node_id="n4", label="Mask", kind="image"),
    NodeInput(node_id="n5", label="Sharp", kind="boolean"),
    NodeInput(node_id="n6", label="Other", kind="a type that Wireflow adds later"),
)
ENVIRONMENT = {
    "WIREFLOW_WEBHOOK_ID": IDS[0],
    "WIREFLOW_API_KEY": IDS[3],
    "WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS),
    "JOBS_URL": "sqlite:///jobs.db",
    "IMAGES_URL": "file:///images",
}
TOKEN, SIGNER = Token("zap", "0" * 64), SigningSecret("shop", ("whsec_c2VjcmV0LW9mLXRoaXMtdGVzdA==",))
ALL_CREDENTIALS = AuthSettings(
    tokens=(TOKEN,),
    signing_secrets=(SIGNER,),
    event_account="a@b.example",
    event_audience="https://images.example",
    origins=("https://shop.example", "http://[::1]:3000"),
)


def deployed(auth: AuthSettings | None = None, inputs: tuple[NodeInput, ...] | None = INPUTS) -> dict[str, Any]:
    """The document of a deployment with workflows of each mode."""
    workflows = [(one, inputs if one.name == "saved" else None) for one in config.load(ENVIRONMENT).workflows]
    return served.deployed("https://images.test", workflows, auth or AuthSettings())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield path, method, item[method]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    if "$ref" not in part:
        return part
    _, kind, name = part["$ref"].removeprefix("#/").split("/")
    return DOCUMENT["components"][kind][name]


def properties(name: str) -> set[str]:
    """The fields of a schema and of those that it is made of."""
    schema = SCHEMAS[name]
    parts = [schema, *(resolved(part) for part in schema.get("allOf", []))]
    return {field for part in parts for field in part.get("properties", {})}


def takes(name: str, value: Any, document: dict[str, Any]) -> bool:
    """Whether the schema of this name takes the value."""
    return is_valid({"$ref": f"#/components/schemas/{name}"}, value, document)


def is_valid(schema: dict[str, Any], value: Any, document: dict[str, Any]) -> bool:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(value)


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


# --- its limits are those of the code ------------------------------------------------------------------------------


def schema_of(parameter: str) -> dict[str, Any]:
    return DOCUMENT["components"]["parameters"][parameter]["schema"]


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        (SCHEMAS["Prompt"]["maxLength"], fields.PROMPT_LIMIT),
        (SCHEMAS["ImageUrl"]["maxLength"], urls.LONGEST),
        (SCHEMAS["HookUrl"]["maxLength"], urls.LONGEST),
        (SCHEMAS["Options"]["properties"]["redirectUrl"]["maxLength"], urls.LONGEST),
        (SCHEMAS["Options"]["properties"]["deadlineSeconds"]["exclusiveMaximum"], fields.DEADLINE_LIMIT),
        (SCHEMAS["Options"]["properties"]["formToken"]["maxLength"], fields.FORM_TOKEN_LIMIT),
        (SCHEMAS["InputFromJob"]["properties"]["fromImage"]["maximum"], fields.IMAGES_LIMIT - 1),
        (SCHEMAS["Batch"]["allOf"][0]["maxItems"], fields.ITEMS_LIMIT),
        (SCHEMAS["BatchOfRows"]["allOf"][2]["properties"]["prompts"]["maxItems"], MAX_ROWS),
        (SCHEMAS["BatchCounts"]["properties"]["total"]["maximum"], MAX_ROWS),
        (SCHEMAS["JobId"]["pattern"], f"^{fields.JOB_ID.pattern}$"),
        (schema_of("ImageIndex")["maximum"], fields.IMAGES_LIMIT - 1),
        (schema_of("Limit")["maximum"], job_list.MAX_LIMIT),
        (schema_of("Limit")["default"], job_list.DEFAULT_LIMIT),
        (schema_of("Workflow")["pattern"], f"^{job_list.WORKFLOW_NAME.pattern}$"),
        (schema_of("Cursor")["pattern"], "^[0-9]{16}-[0-9a-f]{32}$"),
    ],
)
def test_a_limit_in_a_schema_is_the_codes(said: Any, limit: Any):
    assert said == limit


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("schemas/Prompt", f"1 to {fields.PROMPT_LIMIT:,} characters"),
        ("schemas/ImageUrl", f"at most {urls.LONGEST:,} characters"),
        ("schemas/Form", f"at most {forms.FIELDS_LIMIT:,}"),
        ("schemas/MultipartForm", f"at most {forms.FILE_LIMIT // MEBIBYTE} MiB"),
        ("schemas/FormToken/properties/notBefore", f": {form_tokens.MIN_AGE // timedelta(seconds=1)} seconds after"),
        ("schemas/FormToken/properties/expiresAt", f": {form_tokens.MAX_AGE // timedelta(minutes=1)} minutes after"),
        ("parameters/Prefer", f"at most {prefer.MAX_WAIT} "),
        ("parameters/IdempotencyKey", f"at least {idempotency_keys.BROWSER_MINIMUM} characters"),
        ("parameters/WebhookTimestamp", f"at most {signatures.TOLERANCE // timedelta(minutes=1)} minutes"),
        ("securitySchemes/signature", f"at most {signatures.TOLERANCE // timedelta(minutes=1)} minutes"),
        ("responses/BodyTooLarge", f"{read.CREDENTIAL_LIMIT // MEBIBYTE} MiB for a batch"),
        ("responses/BodyTooLarge", f"{read.MULTIPART_LIMIT // MEBIBYTE} MiB for a multipart form"),
        ("responses/BodyTooLarge", f"{forms.FILE_LIMIT // MEBIBYTE} MiB for each of its files"),
        ("responses/BodyTooLarge", f"{read.BODY_LIMIT // 1024} KiB for anything else"),
        ("responses/BodyTooLarge", f"{forms.FIELDS_LIMIT:,} fields"),
        ("responses/BodyTooLarge", f"a batch may have {pipeline.BATCH_LIMIT // MEBIBYTE} MiB"),
        ("responses/BodyTooLarge", f"a single request {validate.STORED_LIMIT // 1024} KiB"),
        ("responses/Image", "not ready ({} × {} pixels)".format(*struct.unpack(">II", placeholders.WAITING[16:24]))),
        ("responses/Image", "failed ({} × {} pixels)".format(*struct.unpack(">II", placeholders.FAILED[16:24]))),
    ],
)
def test_a_limit_in_a_description_is_the_codes(part: str, words: str):
    described = DOCUMENT["components"]
    for name in part.split("/"):
        described = described[name]
    assert words in described["description"]


def test_the_limit_of_nesting_is_the_codes():
    body = DOCUMENT["paths"]["/"]["post"]["requestBody"]
    assert f"nested {json_body.NESTING_LIMIT} levels deep" in body["description"]


@pytest.mark.parametrize(
    "key", ["a", "~" * 255, '"a"', '""a"', '"', "a b", "~" * 256, "é", '"a', "", '"' + "a" * 255 + '"']
)
def test_an_idempotency_key_is_described_as_it_is_read(key: str):
    try:
        accepted = fields.read_field("idempotencyKey", {"idempotencyKey": key}) is not None
    except Problem:
        accepted = False
    assert takes("IdempotencyKey", key, DOCUMENT) is accepted


# --- what is served fits the deployment ----------------------------------------------------------------------------


def test_it_names_the_deployment():
    assert deployed()["servers"] == [{"url": "https://images.test"}]


def test_nothing_in_it_is_secret():
    text = json.dumps(deployed(ALL_CREDENTIALS))
    assert not [secret for secret in (*IDS, TOKEN.sha256, *SIGNER.secrets, "a@b.example") if secret in text]


def test_credentials_are_asked_for_where_they_are_configured():
    assert "securitySchemes" not in deployed()["components"]
    assert not [path for path, _, operation in operations(deployed()) if "security" in operation]
    shown = deployed(ALL_CREDENTIALS)
    asked = {(method, path): operation.get("security") for path, method, operation in operations(shown)}
    tokens: list[dict[str, list[str]]] = [{"token": []}, {"password": []}]
    assert asked["post", "/"] == [*tokens, {"signature": []}, {"event": []}, {"form": []}]
    assert asked["get", "/jobs"] == tokens
    assert asked["get", "/workflows"] == [*tokens, {"signature": []}]
    assert asked["get", "/openapi.json"] == [*tokens, {"signature": []}, {}]
    assert asked["get", "/jobs/{id}"] == asked["delete", "/jobs/{id}"] == [*tokens, {}]
    assert asked["get", "/form-token"] == [{"form": []}]
    assert asked["get", "/jobs/{id}/image"] is None
    without_pages = deployed(replace(ALL_CREDENTIALS, origins=()))
    assert {"form": []} not in without_pages["paths"]["/"]["post"]["security"]
    assert "form" not in without_pages["components"]["securitySchemes"]
    for _, _, operation in operations(deployed(AuthSettings(origins=("https://shop.example",)))):
        assert operation.get("security", [{"form": []}]) == [{"form": []}]


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"prompt": "a cat"}, True),
        ({"prompt": "a cat", "seed": [1]}, True),  # any other field goes to the webhook
        ({"prompt": "a cat", "workflow": "default"}, True),
        ({"prompt": "a cat", "workflow": "unknown"}, False),
        ({"prompt": " \u2003"}, False),
        ({"prompt": "😀" * 4_000}, True),
        ({"prompt": "x" * 4_001}, False),
        ({"prompt": "a cat", "image1": "https://a.example/cat.png"}, True),
        ({"prompt": "a cat", "image1": "http://a.example/cat.png"}, False),
        ({"prompt": "a cat", "image1": None, "fromJob": None, "deadlineSeconds": None, "allowPartial": None}, True),
        ({"prompt": "a cat", "image1": "", "fromJob": "", "deadlineSeconds": "", "redirectUrl": ""}, True),
        ({"prompt": "a cat", "workflow": None}, True),
        ({"prompt": "a cat", "deadlineSeconds": "60"}, False),
        ({"prompt": "a cat", "allowPartial": "true"}, False),
        ({"prompt": "a cat", "idempotencyKey": None}, False),
        ({"prompt": "a cat", "dedupeField": ""}, False),
        ({"prompt": "a cat", "token": ""}, False),
        ({"prompt": "a cat", "fromJob": "0" * 32, "fromImage": 1}, True),
        ({"prompt": "a cat", "fromImage": 1}, False),
        ({"prompt": "a cat", "deadlineSeconds": 0}, False),
        ({"prompts": ["a cat"]}, True),
        (["a cat", {"prompt": "a dog"}], True),
        ([], False),
        (["a cat"] * 101, False),
        ("a cat", False),
        ({"message": {"data": "e30=", "messageId": "1"}, "subscription": "s"}, True),
        ({"message": {"data": "e30="}, "subscription": "s"}, False),
        ({"prompt": "a cat", "workflow": "pro"}, True),
        ({"prompt": "a cat", "workflow": "pro", "resolution": "4K", "allowPartial": True}, True),
        ({"prompt": "a cat", "workflow": "pro", "resolution": None}, True),
        ({"prompt": "a cat", "workflow": "pro", "resolution": "8K"}, False),
        ({"prompt": "a cat", "workflow": "pro", "aspect_ratio": "1:1"}, False),  # locked
        ({"prompt": "a cat", "workflow": "pro", "seed": 1}, False),
        ({"prompt": "a cat", "workflow": "free", "model": "nano_banana_pro", "resolution": "4K"}, True),
        ({"prompt": "a cat", "workflow": "free", "model": "unknown"}, False),
        ({"prompt": "a cat", "workflow": "plain", "image1": "https://a.example"}, False),  # not of this model
        ({"prompt": "a cat", "workflow": "plain", "aspect_ratio": "8:1"}, True),
        ({"prompt": "a cat", "workflow": "plain", "aspect_ratio": "8:2"}, False),
        ({"prompt": "a cat", "workflow": "plain", "resolution": "1K"}, False),  # this model has no choice
        ({"prompt": "a cat", "workflow": "plain", "fromJob": "0" * 32}, False),
        ({"prompt": "a cat", "workflow": "saved", "Seed": "7"}, True),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7.5, "Sharp": "on", "Other": [1]}, True),
        ({"prompt": "a cat", "workflow": "saved"}, False),  # a seed is required
        ({"prompt": "a cat", "workflow": "saved", "Seed": "seven"}, False),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "Sharp": "maybe"}, False),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "image1": "https://a.example"}, True),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "Mask": "https://a.example"}, True),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "image2": "https://a.example"}, True),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "image3": "https://a.example"}, False),  # it has two
        ({"prompt": "a cat", "workflow": "pro", "image1": "https://a.example", "image3": "https://b.example"}, True),
        ({"prompt": "a cat", "workflow": "plain", "image2": "https://a.example"}, False),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "Mask": "mask.png"}, False),
        ({"prompt": "a cat", "workflow": "saved", "Seed": 7, "Prompt": "a dog"}, False),
    ],
)
def test_a_request_is_described_as_its_workflow_takes_it(body: Any, taken: bool):
    document = deployed()
    schema = document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert is_valid(schema, body, document) is taken


def test_a_required_input_image_may_come_from_a_job():
    document = deployed(inputs=(INPUTS[0], replace(INPUTS[1], required=True)))
    request = {"prompt": "a cat", "workflow": "saved"}
    assert not takes("Request", request, document)
    assert takes("Request", {**request, "image1": "https://a.example"}, document)
    assert takes("Request", {**request, "fromJob": "0" * 32}, document)


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"prompt": "a cat", "tags": ["a", "b"]}, True),
        ({"prompt": "a cat", "workflow": "saved", "Seed": "7"}, True),
        ({"prompt": "a cat", "workflow": "unknown"}, False),
        ({"image1": "https://a.example"}, False),
    ],
)
def test_a_form_is_described(form: Any, taken: bool):
    assert takes("Form", form, deployed()) is takes("MultipartForm", form, deployed()) is taken


def test_a_saved_workflow_with_unknown_inputs_takes_any_field():
    assert takes("Request", {"prompt": "a cat", "workflow": "saved", "x": 1}, deployed(inputs=None))


def test_it_is_not_read_before_it_is_asked_for():
    code = (
        "import sys; names = []\n"
        "sys.addaudithook(lambda event, args: names.append(str(args[0])) if event == 'open' else None)\n"
        "import functions.trigger.main\n"
        "from functions.trigger.openapi import document\n"
        "assert not [name for name in names if name.endswith('openapi.json')]\n"
        "document.deployed('https://images.test', [], functions.trigger.main.CONFIG.auth)\n"
        "assert [name for name in names if name.endswith('openapi.json')]\n"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
