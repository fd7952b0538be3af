"""The limits in openapi.json are those of the code."""

import struct
from datetime import timedelta
from typing import Any

import pytest

from functions.trigger.auth import form_tokens, signatures
from functions.trigger.parsing import fields, forms, idempotency_keys, json_body, pipeline, read, urls, validate
from functions.trigger.responses import placeholders, prefer
from functions.trigger.routes import job_list
from shared.batches import MAX_ROWS
from shared.problems import Problem
from tests.openapi.documents import DOCUMENT, SCHEMAS, takes

MEBIBYTE = 1024 * 1024


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
