"""The OpenAPI document, what a deployment serves of it, and its schemas, for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

import functions.trigger.openapi.document as served
from shared import config
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.workflows import NodeInput

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "functions/trigger/openapi/openapi.json").read_text()
DOCUMENT: dict[str, Any] = json.loads(TEXT)
SCHEMAS = DOCUMENT["components"]["schemas"]
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
