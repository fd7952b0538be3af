"""The description says what the code does: its routes, problems, workflows and auth, and nothing that is secret."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from functions.trigger.openapi.openapi import described
from functions.trigger.openapi.requests import Described
from functions.trigger.openapi.texts import BLANK
from functions.trigger.router import ROUTES
from shared import config
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.problems import PROBLEMS
from shared.workflows import NodeInput

IDS = ("webhook-of-this-test", "graph-of-this-test", "saved-of-this-test", "sk-of-this-test")
WORKFLOWS = {
    "pro": {"mode": "execute", "id": IDS[1], "model": "nano_banana_pro", "overridable": ["resolution"]},
    "free": {"mode": "execute", "id": IDS[1], "model": "nano_banana", "overridable": ["model", "resolution"]},
    "saved": {"mode": "run", "id": IDS[2]},
}
INPUTS = (
    NodeInput(node_id="n1", label="Prompt", kind="text", required=True),
    NodeInput(node_id="n2", label="Reference", kind="image"),
    NodeInput(node_id="n3", label="Seed", kind="number", required=True),
)
TOKEN, SIGNER = Token("zap", "0" * 64), SigningSecret("shop", ("whsec_c2VjcmV0LW9mLXRoaXMtdGVzdA==",))
ALL_DOORS = AuthSettings(
    tokens=(TOKEN,),
    signing_secrets=(SIGNER,),
    event_account="a@b.example",
    event_audience="https://images.example",
    origins=("https://shop.example", "http://[::1]:3000"),
)


def document(auth: AuthSettings | None = None, inputs: tuple[NodeInput, ...] | None = INPUTS) -> dict[str, Any]:
    """The description of a deployment with a workflow of each mode."""
    environ = {
        "WIREFLOW_WEBHOOK_ID": IDS[0],
        "WIREFLOW_API_KEY": IDS[3],
        "WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS),
        "JOBS_URL": "sqlite:///jobs.db",
        "IMAGES_URL": "file:///images",
    }
    workflows = config.load(environ).workflows
    shown = [Described(one, inputs if one.name == "saved" else None) for one in workflows]
    return described(shown, auth or AuthSettings(), "https://images.test")


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method in item.keys() - {"parameters", "description"}:
            yield path, method, item[method]


def codes_of(operation: dict[str, Any]) -> Iterator[tuple[int, str]]:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/problem+json", {})
        for part in content.get("schema", {}).get("allOf", []):
            for code in part.get("properties", {}).get("errorCode", {}).get("enum", []):
                yield int(status), code


def takes(name: str, value: Any, described: dict[str, Any]) -> bool:
    """Whether the schema of this name takes the value."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)


# --- it is whole ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [AuthSettings(), ALL_DOORS], ids=["open", "all auth"])
def test_it_is_a_valid_description(auth: AuthSettings):
    shown = document(auth)
    schemathesis.openapi.from_dict(shown).validate()
    for reference in re.findall(r'"\$ref": "#/components/(\w+)/([^"]+)"', json.dumps(shown)):
        assert reference[1] in shown["components"][reference[0]], reference
    for schema in shown["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_route_and_method_is_in_it_and_nothing_else():
    described = {}
    for path, method, _ in operations(document()):
        real = path.replace("{ticket}", "0" * 32).replace("{index}", "0")
        (route,) = [methods for pattern, methods in ROUTES if pattern.fullmatch(real)]
        described.setdefault(id(route), set()).add(method.upper())
    for _, methods in ROUTES:
        operations_of_it = {*methods, *(["HEAD"] if "GET" in methods else [])} - {"DELETE"}  # told in words
        assert described[id(methods)] == operations_of_it
    assert "DELETE" in document()["paths"]["/jobs/{ticket}"]["description"]


def test_every_problem_is_in_it_with_its_status_and_nothing_else():
    shown = document()
    said = {pair for _, _, operation in operations(shown) for pair in codes_of(operation)}
    known = {(known.status, code) for code, known in PROBLEMS.items()}
    # Of methods that are not in it, or told in words.
    assert said == known - {(405, "method_not_allowed"), (409, "not_cancelable")}
    assert set(shown["components"]["schemas"]["Problem"]["properties"]["errorCode"]["enum"]) == PROBLEMS.keys()


def test_nothing_in_it_is_secret():
    text = json.dumps(document(ALL_DOORS))
    assert not [secret for secret in (*IDS, TOKEN.sha256, *SIGNER.secrets, "a@b.example") if secret in text]


# --- it follows the settings ---------------------------------------------------------------------------------------


def test_credentials_are_asked_for_where_a_door_is_configured():
    assert "securitySchemes" not in document()["components"]
    assert not [path for path, _, operation in operations(document()) if "security" in operation]
    shown = document(ALL_DOORS)
    asked = {(method, path): operation.get("security") for path, method, operation in operations(shown)}
    names = [{"token": []}, {"password": []}, {"signature": []}]
    assert asked["post", "/"] == [*names, {"event": []}, {}]  # a page of an allowed origin has none
    assert asked["get", "/jobs"] == asked["get", "/workflows"] == names
    assert asked["get", "/jobs/{ticket}"] == [*names, {}]
    assert asked["get", "/jobs/{ticket}/image"] is None
    without_pages = document(replace(ALL_DOORS, origins=()))
    assert {} not in without_pages["paths"]["/"]["post"]["security"]


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"prompt": "a cat"}, True),
        ({"prompt": "a cat", "seed": [1]}, True),  # any other field goes to the webhook
        ({"prompt": "a cat", "workflow": "default"}, True),
        ({"prompt": "a cat", "workflow": "unknown"}, False),
        ({"prompt": " \u2003\x1c"}, False),
        ({"prompt": "😀" * 4_000}, True),
        ({"prompt": "x" * 4_001}, False),
        ({"prompt": "a cat", "callbackUrl": "https://a.example"}, False),
        ({"prompt": "a cat", "image1": "https://a.example/cat.png"}, True),
        ({"prompt": "a cat", "image1": "http://a.example/cat.png"}, False),
        ({"prompt": "a cat", "image1": "https://a.example", "fromJob": "0" * 32}, False),
        ({"prompt": "a cat", "redirectUrl": "https://shop.example/thanks"}, False),
        ({"prompts": ["a cat"]}, True),
        (["a cat", {"prompt": "a dog"}], True),
        ([], False),
        ({"prompt": "a cat", "workflow": "pro"}, True),
        ({"prompt": "a cat", "workflow": "pro", "resolution": "4K", "model": ""}, True),
        ({"prompt": "a cat", "workflow": "pro", "resolution": "8K"}, False),
        ({"prompt": "a cat", "workflow": "pro", "aspect_ratio": "1:1"}, False),  # locked
        ({"prompt": "a cat", "workflow": "pro", "seed": 1}, False),
        ({"prompt": "a cat", "workflow": "free", "model": "nano_banana_pro", "resolution": "4K"}, True),
        ({"prompt": "a cat", "workflow": "free", "model": "nano_banana_2", "resolution": "4K"}, False),
        ({"prompt": "a cat", "workflow": "free", "image1": "https://a.example"}, False),  # not of this model
        ({"prompt": "a cat", "workflow": "saved", "Seed": "7"}, True),
        ({"prompt": "a cat", "workflow": "saved", "n3": 7.5}, True),
        ({"prompt": "a cat", "workflow": "saved"}, False),  # a seed is required
        ({"prompt": "a cat", "workflow": "saved", "n3": 7, "Seed": 7}, False),
        ({"prompt": "a cat", "workflow": "saved", "n3": "seven"}, False),
        ({"prompt": "a cat", "workflow": "saved", "n3": 7, "image1": "https://a.example"}, True),
        ({"prompt": "a cat", "workflow": "saved", "n3": 7, "Reference": "https://a.example"}, True),
        ({"prompt": "a cat", "workflow": "saved", "n3": 7, "Reference": "x", "image1": "https://a.example"}, False),
        ({"prompt": "a cat", "workflow": "saved", "n3": 7, "Prompt": "a dog"}, False),
    ],
)
def test_a_request_is_described_as_its_workflow_takes_it(body: Any, taken: bool):
    assert takes("JsonBody", body, document()) is taken


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"prompt": "a cat", "tags": ["a", "b"]}, True),
        ({"prompt": "a cat", "allowPartial": "maybe"}, False),
        ({"prompt": "a cat", "image1": "", "fromJob": "0" * 32}, True),
        ({"prompt": "a cat", "callbackUrl": "https://a.example"}, False),
        ({"prompt": "a cat", "workflow": "saved", "n3": "7"}, True),
        ({"prompt": "a cat", "workflow": "saved", "n3": ""}, False),
    ],
)
def test_a_form_is_described_as_text(form: Any, taken: bool):
    assert takes("Form", form, document()) is taken


def test_a_form_may_go_on_where_it_came_from():
    shown = document(ALL_DOORS)
    for there in ("https://shop.example", "https://shop.example/thanks?a=b", "http://[::1]:3000/#x"):
        assert takes("JsonBody", {"prompt": "a cat", "redirectUrl": there}, shown), there
    for there in ("https://shop.example.evil", "https://shop-example", "https://shop.example@evil", "//shop.example"):
        assert not takes("JsonBody", {"prompt": "a cat", "redirectUrl": there}, shown), there


def test_a_saved_workflow_that_nobody_has_described_takes_any_field():
    assert takes("JsonBody", {"prompt": "a cat", "workflow": "saved", "x": 1}, document(inputs=None))


def test_blank_is_what_python_strips():
    blank = re.compile(f"[{BLANK}]")
    assert [chr(code) for code in range(0x11_0000) if bool(blank.match(chr(code))) != chr(code).isspace()] == []
