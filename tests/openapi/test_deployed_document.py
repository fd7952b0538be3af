"""The served OpenAPI document fits the deployment: its URL, credentials, and workflows."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from shared.auth_settings import AuthSettings
from tests.openapi.documents import (
    ALL_CREDENTIALS,
    ENVIRONMENT,
    IDS,
    INPUTS,
    ROOT,
    SIGNER,
    TOKEN,
    deployed,
    is_valid,
    operations,
    takes,
)


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
