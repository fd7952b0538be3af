"""Requests as real senders write them, bytes and headers included, are read as they were meant or name the mistake."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.fields import FIELDS
from shared.problems import Problem
from shared.submission import Submission
from tests.images.sample_images import encoded
from tests.trigger.posting import BROWSER, any_fields, batch, decoded, parsed, rejected, rejection, sent, submission

SAMPLES = Path(__file__).parents[1] / "samples/requests"
CAT = {"prompt": "a cat"}
BODY = json.dumps(CAT).encode()
URLENCODED, JSON = "application/x-www-form-urlencoded", "application/json"
EVENT = Caller(CallerKind.EVENT, "event")


def typed(content: bytes, kind: str, **headers: str) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": kind, **headers}}


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.bin").read_bytes()


# --- samples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("curl_-d_json_no_header", {"Content-Type": URLENCODED}),
        (
            "octet-stream_json_Scheduler",
            {"Content-Type": "application/octet-stream", "User-Agent": "Google-Cloud-Scheduler"},
        ),
        ("form_with_BOM", {"Content-Type": URLENCODED}),
        ("zapier_empty_optional_json", {"Content-Type": JSON}),
        ("make_null_image1", {"Content-Type": JSON}),
    ],
)
async def test_a_sample_is_accepted(name: str, headers: dict[str, str]) -> None:
    made = await submission(sent(content=sample(name), headers=headers))
    assert (made.prompt, made.input, made.image_url, made.workflow) == ("a cat", "{}", None, "default")


@pytest.mark.parametrize(
    ("name", "kind", "status", "words"),
    [
        ("form_jquery_nested", URLENCODED, 422, "data[prompt]"),
        ("form_php_array", URLENCODED, 422, "prompts[]"),
        ("zero_width_prompt", JSON, 422, "blank"),
        ("trailing_comma", JSON, 400, "line 1, column 20"),
    ],
)
async def test_a_sample_is_rejected_by_its_mistake(name: str, kind: str, status: int, words: str) -> None:
    problem = await rejection(sent(**typed(sample(name), kind)))
    assert (problem.response().status_code, problem.field) == (status, "prompt" if status == 422 else None)
    assert words in problem.detail


# --- media types ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [BODY, b" \r\n" + BODY, b"\xef\xbb\xbf" + BODY])
async def test_json_that_curl_calls_a_form_is_json(content: bytes) -> None:
    body = await decoded(sent(**typed(content, URLENCODED)))
    assert (body.body, body.form) == (CAT, False)


async def test_a_batch_that_curl_calls_a_form_is_a_batch() -> None:
    found = await batch(sent(**typed(b'["a cat", "a dog"]', URLENCODED)))
    assert [one.prompt for one in found.requests if isinstance(one, Submission)] == ["a cat", "a dog"]


async def test_broken_json_that_curl_calls_a_form_is_located() -> None:
    problem = await rejection(sent(**typed(b"{prompt: a cat}", URLENCODED)))
    assert (problem.code, "line 1, column 2" in problem.detail) == ("invalid_json", True)


async def test_a_form_whose_text_has_brackets_is_a_form() -> None:
    body = await decoded(sent(data={"prompt": '{"a": [1]}', "[x]": "{}"}))
    assert (body.body, body.form) == ({"prompt": '{"a": [1]}', "[x]": "{}"}, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Google-Cloud-Scheduler"},
        {"User-Agent": "Google-Cloud-Tasks"},
        {"X-CloudScheduler-JobName": "nightly"},
        {"X-CloudScheduler": "true"},
        {"X-CloudTasks-QueueName": "images", "X-CloudTasks-TaskName": "1"},
    ],
)
async def test_bytes_of_cloud_scheduler_and_cloud_tasks_are_json(headers: dict[str, str]) -> None:
    kind = "application/octet-stream"
    assert (await submission(sent(**typed(BODY, kind, **headers)))).prompt == "a cat"
    assert (await rejected(sent(**typed(b"\x89PNG", kind, **headers))))[0] == 400
    assert (await rejected(sent(**typed(BODY, "text/plain", **headers))))[0] == 415
    assert (await rejected(sent(**typed(BODY, kind))))[0] == 415


@pytest.mark.parametrize(
    ("kinds", "content"),
    [
        (["application/json, application/json"], BODY),
        (["application/json", "application/json"], BODY),
        (["application/json; charset=utf-8, Application/JSON"], BODY),
        ([f"{URLENCODED}, {URLENCODED}"], b"prompt=a+cat"),
        ([URLENCODED, f"{URLENCODED}; charset=utf-8"], b"prompt=a+cat"),
        (
            ['multipart/form-data; boundary="a,b"'],
            b'--a,b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n--a,b--\r\n',
        ),
    ],
)
async def test_a_repeated_content_type_is_one(kinds: list[str], content: bytes) -> None:
    headers = httpx.Headers([("Content-Type", kind) for kind in kinds])
    assert (await submission(sent(content=content, headers=headers))).prompt == "a cat"


@pytest.mark.parametrize("kind", ["application/json, text/plain", f"application/json, {URLENCODED}"])
async def test_two_different_media_types_are_415(kind: str) -> None:
    assert (await rejected(sent(**typed(BODY, kind))))[0] == 415


# --- events --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("/orders/größe 1", "/orders/gr%C3%B6%C3%9Fe%201"),
        ("/orders/größe 1", "/orders/gr%c3%b6%c3%9fe 1"),
        ("/orders/größe 1", '"/orders/größe 1"'),
        ('/a"b\\c', '"/a\\"b\\\\c"'),
        ("/100%25", "/100%2525"),
        ("/100%", "/100%"),
        ("/a+b", "/a+b"),
    ],
)
async def test_an_event_in_headers_is_the_same_as_in_json(source: str, header: str) -> None:
    attributes = {"id": "A 1", "type": "com.example.order", "specversion": "1.0"}
    structured = json.dumps({**attributes, "source": source, "data": CAT}).encode()
    by_json = await submission(sent(**typed(structured, "application/cloudevents+json")), EVENT)
    headers = {f"ce-{name}": value for name, value in {**attributes, "id": "A%201", "source": header}.items()}
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    by_header = await submission(sent(content=BODY, headers={b"content-type": JSON.encode(), **encoded}), EVENT)
    assert (by_json.key, by_json.fingerprint) == (by_header.key, by_header.fingerprint)


async def test_events_whose_headers_are_not_utf_8_stay_distinct() -> None:
    keys = set()
    for source in (b"/\xe4", b"/\xf6", b"/%e4%e4"):
        headers = {b"ce-id": b"1", b"ce-type": b"t", b"ce-specversion": b"1.0", b"ce-source": source}
        keys.add((await submission(sent(content=BODY, headers=headers), EVENT)).key)
    assert len(keys) == 3


# --- bytes of forms ------------------------------------------------------------------------------------------------


def multipart(*parts: tuple[str, bytes], kind: str = "multipart/form-data; boundary=x") -> dict[str, Any]:
    """`parts`: the header lines after the disposition's `form-data`, and the content."""
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + header.encode() + b"\r\n\r\n" + content + b"\r\n"
        for header, content in parts
    )
    return typed(body + b"--x--\r\n", kind)


@pytest.mark.parametrize(
    "content",
    [
        typed(b"\xef\xbb\xbfprompt=a+cat", URLENCODED),
        typed(b"%EF%BB%BFprompt=a+cat", URLENCODED),
        typed(b"x=&prompt=%EF%BB%BFa+cat", URLENCODED),
        typed(b"\xef\xbb\xbfprompt=a+cat", f"{URLENCODED}; charset=iso-8859-1"),
        multipart(('name="prompt"', b"\xef\xbb\xbfa cat")),
        multipart(('name="\ufeffprompt"', b"a cat")),
        multipart(('name="prompt"', "\ufeffa cat".encode("utf-16-le"))),
    ],
)
async def test_a_byte_order_mark_is_not_text(content: dict[str, Any]) -> None:
    assert (await submission(sent(**content))).prompt == "a cat"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", "“Käfer” für 5 €"),
        ("latin1", "cp1252", "Œuvre"),
        ("us-ascii", "cp1252", "é"),
        ("ISO_8859-15", "iso8859-15", "5 €"),
        ("Shift_JIS", "cp932", "表ア①ソ"),
        ("x-sjis", "cp932", "能ア"),
        ("EUC-KR", "cp949", "똠방각하"),
        ("gb2312", "gbk", "镕基"),
        ("windows-1251", "cp1251", "кот"),
        ("koi8-r", "koi8-r", "кот"),
        ("iso-2022-jp", "iso2022_jp", "猫"),
        ("utf8", "utf-8", "Käfer"),
    ],
)
async def test_a_charset_is_what_browsers_make_of_its_label(label: str, codec: str, text: str) -> None:
    raw = text.encode(codec)
    escaped = b"prompt=" + b"".join(
        bytes([byte]) if chr(byte).isalnum() and byte < 128 else b"%%%02X" % byte for byte in raw
    )
    for content in (
        typed(escaped, f'{URLENCODED}; charset="{label}"'),
        typed(b"_charset_=" + label.encode() + b"&" + escaped, URLENCODED),
        multipart(('name="prompt"', raw), kind=f"multipart/form-data; boundary=x; charset={label}"),
        multipart((f'name="prompt"\r\nContent-Type: text/plain; charset={label}', raw)),
        multipart(('name="_charset_"', label.encode()), ('name="prompt"', raw)),
    ):
        made = await submission(sent(**content))
        assert (made.prompt, made.input) == (text, "{}")


@pytest.mark.parametrize(
    "label", ["utf-16", "utf-7", "replacement", "iso-2022-kr", "x-user-defined", "zlib", "rot13", ""]
)
async def test_an_encoding_that_forms_cannot_have_is_400(label: str) -> None:
    problem = await rejection(sent(**typed(b"prompt=a+cat", f"{URLENCODED}; charset={label}")))
    assert (problem.code, "charset" in problem.detail) == ("invalid_form", True)


async def test_an_unknown_encoding_of_a_page_is_ignored() -> None:
    assert (await submission(sent(data={**CAT, "_charset_": "zlib"}))).input == "{}"


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filename", ['filename="cat.png"', "filename*=UTF-8''k%C3%A4fer.png", "filename=cat.png"])
async def test_an_empty_file_with_a_name_is_rejected(filename: str) -> None:
    prompt = ('name="prompt"', b"a cat")
    request = sent(**multipart(prompt, (f'name="image1"; {filename}', b"")))
    assert await rejected(request, BROWSER) == (422, "image1")
    request = sent(**multipart(prompt, (f'name="photo"; {filename}', b"")))
    assert await rejected(request, BROWSER) == (422, "photo")
    image = (f'name="image1"; {filename}', encoded("png", 8, 8))
    assert await rejected(sent(**multipart(prompt, image, image)), BROWSER) == (422, "image1")
    unused = ('name="image1"; filename=""', b"")
    assert (await submission(sent(**multipart(prompt, unused, image)), BROWSER)).file == image[1]


# --- empty fields --------------------------------------------------------------------------------------------------

OPTIONAL = ["workflow", "image1", "fromJob", "fromImage", "deadlineSeconds", "allowPartial", "redirectUrl", "prompts"]
OPTIONAL += ["cf-turnstile-response"]


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_optional_field_is_absent(name: str, value: Any) -> None:
    plain = await submission(sent(json=CAT))
    assert await submission(sent(json={**CAT, name: value})) == plain
    event = typed(json.dumps({**CAT, name: value}).encode(), JSON, **{"x-goog-pubsub-message-id": "1"})
    assert (await submission(sent(**event))).fingerprint == plain.fingerprint
    if value == "":
        assert await submission(sent(data={**CAT, name: value})) == plain


@pytest.mark.parametrize("value", [None, ""])
async def test_the_default_of_an_empty_optional_field_counts(value: Any) -> None:
    url = "https://images.test/?deadlineSeconds=60"
    assert (await submission(sent(url, json={**CAT, "deadlineSeconds": value}))).deadline_seconds == 60
    found = await batch(sent(json={"prompts": [{**CAT, "deadlineSeconds": value}], "deadlineSeconds": 60}))
    assert [one.deadline_seconds for one in found.requests if isinstance(one, Submission)] == [60]
    assert await rejected(sent(json=[{**CAT, "token": value}])) == (422, "[0].token")


@pytest.mark.parametrize("name", ["token", "formToken", "idempotencyKey", "dedupeField"])
@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_key_or_credential_in_json_is_rejected(name: str, value: Any) -> None:
    assert await rejected(sent(json={**CAT, name: value})) == (422, name)


@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_field_that_is_not_ours_is_unchanged(value: Any) -> None:
    made = await submission(sent(json={**CAT, "style": value, "Workflow": value, "website": value}))
    assert json.loads(made.input) == {"style": value, "Workflow": value, "website": value}


@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_prompt_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={"prompt": value})) == (422, "prompt")
    assert await rejected(sent(json={"prompts": value})) == (422, "prompts")


def test_every_field_of_ours_is_absent_kept_or_rejected_when_it_is_empty() -> None:
    kept = {name for name, field in FIELDS.items() if field.implemented and field.kept_empty_json}
    assert kept == {"prompt", "website", "token", "formToken", "idempotencyKey", "dedupeField"}
    assert {name for name, field in FIELDS.items() if field.implemented} - kept == set(OPTIONAL)


# --- near misses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Prompt": "a cat"}, '"Prompt"'),
        ({" prompt": "a cat"}, '" prompt"'),
        ({"promt": "a cat"}, '"promt"'),
        ({"user_prompt": "a cat"}, '"user_prompt"'),
        ({"prompt[]": "a cat"}, '"prompt[]"'),
        ({"prompts[]": ["a cat"]}, '"prompts[]"'),
        ({"data[prompt]": "a cat"}, '"data[prompt]"'),
        ({"items[0][prompt]": "a cat"}, '"items[0][prompt]"'),
        ({"data": {"prompt": "a cat"}}, '"data.prompt"'),
        ({"body": {"fields": {"Prompt": "a cat"}}}, '"body.fields.Prompt"'),
        ({"negative_prompt": "a dog", "PROMPT": "a cat"}, '"PROMPT"'),
        ({"prompt": ["a cat", "a dog"]}, "2 times"),
        ({"prompt": {"text": "a cat"}}, "an object"),
        ({"prompt": 7}, "a number"),
        ({"prompt": " "}, "blank"),
        ({"negative_prompt": "a dog"}, "The prompt is missing. Send one"),
        ({}, "The prompt is missing. Send one"),
    ],
)
async def test_what_was_meant_as_the_prompt_is_named(body: dict[str, Any], words: str) -> None:
    problem = await rejection(sent(json=body))
    assert (problem.code, problem.field) == ("invalid_field", "prompt")
    assert words in problem.detail
    in_batch = await rejection(sent(json=[body]))
    assert (words in in_batch.detail, in_batch.field) == (True, "[0].prompt")


async def test_a_form_that_sends_the_prompt_twice_is_told_so() -> None:
    problem = await rejection(sent(**typed(b"prompt=a+cat&prompt=a+dog", URLENCODED)))
    assert "2 times" in problem.detail


async def test_a_name_in_half_characters_can_be_quoted() -> None:
    problem = await rejection(sent(content=b'{"pro\\ud83dmpt": "a cat"}', headers={"Content-Type": JSON}))
    assert problem.response().status_code == 422


# --- what browsers add ---------------------------------------------------------------------------------------------

ADDED = {"submit": "Send", "submit.x": "7", "submit.y": "9", "_charset_": "UTF-8", "utm_source": "news", "utm_id": "1"}


async def refuse_any(_workflow: str, fields: Any, _has_image: bool) -> None:
    """A workflow without any input of its own."""
    for name in fields:
        raise Problem.wrong("no such input", name)


@pytest.mark.parametrize("way", ["data", "files"])
async def test_fields_that_browsers_add_are_no_input(way: str) -> None:
    fields = {**CAT, **ADDED}
    content = {name: (None, value) for name, value in fields.items()} if way == "files" else fields
    found = await parsed(sent(**{way: content}), BROWSER, refuse_any)
    assert isinstance(found.content, Submission)
    assert found.content == await submission(sent(data=CAT), BROWSER)


async def test_in_json_the_same_names_are_inputs() -> None:
    made = await submission(sent(json={**CAT, **ADDED}))
    assert json.loads(made.input) == ADDED
    similar = {"submitted": "x", "my_utm_source": "x", "utm": "x", "charset": "x"}
    assert json.loads((await submission(sent(data={**CAT, **similar}))).input) == similar
    found = await parsed(sent("https://images.test/?utm_source=x&submit=1", json=CAT), check=any_fields)
    assert isinstance(found.content, Submission)
    assert found.content.input == "{}"
