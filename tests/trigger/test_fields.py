"""Each of our fields is validated by name; every other field goes to Wireflow unchanged."""

import dataclasses
import json
from typing import Any

import pytest

from functions.trigger.parsing.fields import FIELDS, read_field, read_text_fields
from shared.problems import Problem
from shared.submission import Submission
from tests.trigger.posting import rejected, sent, submission

CAT = {"prompt": "a cat"}
JOB = "0123456789abcdef" * 2
LOCAL = {"ALLOW_PRIVATE_NETWORK": "true", "WIREFLOW_BASE_URL": "http://127.0.0.1:8090/api/v1"}


# --- the table -----------------------------------------------------------------------------------------------------

# A value of each of our fields as JSON has it, and as a form has it.
EXAMPLES: dict[str, tuple[Any, str]] = {
    "prompt": ("a cat", "a cat"),
    "prompts": (["a cat"], "a cat"),
    "workflow": ("pro", "pro"),
    "image1": ("https://a.example/b.png", "https://a.example/b.png"),
    "image2": ("https://a.example/c.png", "https://a.example/c.png"),
    "image3": ("https://a.example/d.png", "https://a.example/d.png"),
    "fromJob": (JOB, JOB),
    "fromImage": (2, "2"),
    "then": ("best", "best"),
    "deadlineSeconds": (60.0, "60"),
    "allowPartial": (True, "on"),
    "dryRun": (True, "on"),
    "onFailure": ("error", "error"),
    "callbackUrl": (["https://receiver.example/?a=1"], "https://receiver.example/?a=1"),
    "callbackFormat": ("flat", "flat"),
    "altText": ("A cat on a mat", "A cat on a mat"),
    "redirectUrl": ("https://shop.example/", "https://shop.example/"),
    "idempotencyKey": ("k-1", "k-1"),
    "dedupeField": ("order", "order"),
    "token": ("secret", "secret"),
    "formToken": ("t", "t"),
    "cf-turnstile-response": ("solved", "solved"),
    "website": ("", ""),
}


def test_the_table_has_every_field_of_ours_and_no_other() -> None:
    assert set(FIELDS) == EXAMPLES.keys() | {"metadata"}  # in text, a field for each entry


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_field_has_the_same_value_in_json_and_in_text(name: str) -> None:
    value, text = EXAMPLES[name]
    assert read_field(name, {name: value}) == value
    assert read_text_fields([(name, text)]) == {name: value}
    assert type(read_text_fields([(name, text)])[name]) is type(value)


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"website"}))
def test_each_field_is_rejected_by_its_name(name: str) -> None:
    with pytest.raises(Problem) as caught:
        read_field(name, {name: {}})
    assert (caught.value.code, caught.value.field) == ("invalid_field", name)


def test_every_attribute_of_a_submission_is_a_field_or_set_by_the_pipeline() -> None:
    by_pipeline = {"input", "fingerprint", "key", "caller", "private", "admin", "files", "base_url"}
    by_table = [field.attribute for field in FIELDS.values() if field.attribute]
    assert sorted(by_table) == sorted({field.name for field in dataclasses.fields(Submission)} - by_pipeline)


# --- single fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt", ["x" * 4_000, "🦊" * 4_000, " a ", "\u200ba\u200b", "👩\u200d💻", "<script>", "\u0000a", "a\ncat"]
)
async def test_a_prompt_is_not_changed(prompt: str) -> None:
    assert (await submission(sent(json={"prompt": prompt}))).prompt == prompt


@pytest.mark.parametrize(
    "prompt",
    [
        None,
        "",
        " \n\t\u3000",
        "\u200b",
        "\ufeff\u2060 \u00ad",
        "\u3164\u2800",
        "\ufe0f",
        "\U000e0041",
        "\u0000",
        "\u0007\u007f\u0085",
        "\ufff9\ufffb\uffff",
        7,
        ["a cat"],
        "x" * 4_001,
        "a \ud83d cat",
    ],
)
async def test_an_invalid_prompt_is_rejected(prompt: Any) -> None:
    assert await rejected(sent(json={"prompt": prompt})) == (422, "prompt")


async def test_a_field_that_is_not_ours_goes_to_wireflow_unchanged() -> None:
    fields = {"style": ["noir", {"é": 1.0}], "n": 10**30, "": None, "website": "https://a.example", "Style": "x"}
    made = await submission(
        sent(json={**fields, **CAT, "workflow": "default", "deadlineSeconds": 1, "allowPartial": True})
    )
    assert json.loads(made.input) == fields
    assert (made.deadline_seconds, made.allow_partial, made.key, made.files) == (1.0, True, None, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("workflow", value) for value in (7, ["pro"])),
        *(("deadlineSeconds", value) for value in (0, -1, True, "60", 1e300, 1e9)),
        *(("allowPartial", value) for value in ("true", 1, [])),
        *(("fromImage", value) for value in (-1, 1.0, True, "0")),
        *(("fromJob", value) for value in (7, JOB[1:], JOB.upper(), JOB + "\n", [JOB])),
        ("style", ["x", {"y": "\ud83d"}]),
    ],
)
async def test_an_invalid_field_is_named(name: str, value: Any) -> None:
    job = {"fromJob": JOB} if name == "fromImage" else {}
    assert await rejected(sent(json={**CAT, **job, name: value})) == (422, name)


# --- the input image -----------------------------------------------------------------------------------------------

URLS = [
    "https://a.example/b.png",
    "https://a.example:443/b.png?x=1&y=[2]#z",
    "HTTPS://A.example",
    "https://xn--mnchen-3ya.example/%C3%A4.png",
    "https://93.184.216.34/b.png",
    "https://[2606:4700::1]/b.png",
    "https://a.example/" + "x" * (2_048 - 18),
]
INVALID_URLS = [
    *(7, " ", "b.png", "/b.png", "//a.example/b.png", "https:", "https://", "https:///b.png", "https:a.example"),
    *("http://a.example/b.png", "ftp://a.example/b.png", "data:image/png;base64,AAAA", "file:///etc/passwd"),
    *(
        "https://a.example:8443/",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://@a.example/",
        "https://a.example\\@b.example/",
    ),
    *("https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://127.0.0.1./"),
    *("https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://192.168.1.1:8443/"),
    *(
        " https://a.example/",
        "https://a.example/ b",
        "https://a.example/\n",
        "https://münchen.example/",
        "https://a.b:0/",
    ),
    *("https://a.example:99999/", "https://a.example:x/", "https://[::1/", "https://a.example/" + "x" * 2_031),
]


@pytest.mark.parametrize("url", URLS)
async def test_an_input_image_may_have_any_public_url(url: str) -> None:
    made = await submission(sent(json={**CAT, "image1": url}))
    assert (made.image_url, made.input) == (url, "{}")


@pytest.mark.parametrize("url", INVALID_URLS, ids=str)
async def test_an_invalid_or_private_image_url_is_rejected(url: Any) -> None:
    assert await rejected(sent(json={**CAT, "image1": url})) == (422, "image1")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/b.png", "http://cdn.test/b.png", "http://a.cdn.test:9/b.png"])
async def test_a_local_deployment_may_fetch_images_from_its_own_hosts(url: str) -> None:
    settings = {**LOCAL, "IMAGE_HOSTS": "cdn.test:8090"}
    assert (await submission(sent(json={**CAT, "image1": url}), **settings)).image_url == url
    assert await rejected(sent(json={**CAT, "image1": url}), IMAGE_HOSTS="cdn.test") == (422, "image1")
    assert await rejected(sent(json={**CAT, "image1": "http://a.example/"}), **settings) == (422, "image1")
    assert await rejected(sent(json={**CAT, "image1": "https://10.0.0.1/"}), **settings) == (422, "image1")


@pytest.mark.parametrize(("index", "expected"), [({}, 0), ({"fromImage": 0}, 0), ({"fromImage": 3}, 3)])
async def test_an_image_of_an_earlier_job_is_named_by_job_and_index(index: dict[str, int], expected: int) -> None:
    made = await submission(sent(json={**CAT, "fromJob": JOB, **index}))
    assert (made.from_job, made.from_image, made.image_url) == (JOB, expected, None)


async def test_two_input_images_are_rejected() -> None:
    request = sent(json={**CAT, "fromJob": JOB, "image1": "https://a.example/b.png"})
    assert await rejected(request) == (422, "fromJob")
    assert await rejected(sent(json={**CAT, "fromImage": 1})) == (422, "fromImage")


# --- the page after a form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/thanks?x=1#y",
        "https://SHOP.example:443/",
        "http://localhost:3000/",
    ],
)
async def test_a_form_may_redirect_to_the_origins_of_forms(url: str) -> None:
    assert await submission(sent(data={**CAT, "redirectUrl": url}))


@pytest.mark.parametrize(
    "url",
    [
        *(7, " ", "/thanks", "//shop.example/", "thanks", "javascript:alert(1)", "http://shop.example/"),
        *(
            "https://shop.example:8443/",
            "https://shop.example.evil.example/",
            "https://evil.example/?https://shop.example",
        ),
        *(
            "https://shop.example@evil.example/",
            "https://evil.example\\@shop.example/",
            "https://shop.example\\.evil.example",
        ),
        *(
            "https://shop.example/\r\nSet-Cookie: x",
            "https://x.shop.example/",
            "http://localhost/",
            "https://user@shop.example/",
        ),
    ],
    ids=str,
)
async def test_a_form_may_not_redirect_anywhere_else(url: Any) -> None:
    assert await rejected(sent(json={**CAT, "redirectUrl": url})) == (422, "redirectUrl")
