"""Requests as real senders write them, bytes and headers included, are read as they were meant or name the mistake."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.submission import Submission
from tests.images.sample_images import encoded
from tests.trigger.posting import BROWSER, batch, decoded, rejected, rejection, sent, submission

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


async def test_broken_json_of_a_structured_event_is_located() -> None:
    problem = await rejection(sent(**typed(b'{"id": "1",\n "source" "/s"}', "application/cloudevents+json")), EVENT)
    assert (problem.code, "line 2, column 11: expected ':'" in problem.detail) == ("invalid_event", True)


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


@pytest.mark.parametrize("label", ["latin1", "windows-1250", "windows-1253", "windows-874"])
async def test_bytes_that_a_charset_leaves_undefined_are_control_characters_as_in_browsers(label: str) -> None:
    content = typed(b"prompt=a%81cat", f"{URLENCODED}; charset={label}")
    assert (await submission(sent(**content))).prompt == "a\u0081cat"
    content = typed(b"prompt=a%d2", f"{URLENCODED}; charset=windows-1253")
    assert (await rejection(sent(**content))).code == "invalid_form"


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
    assert (await submission(sent(**multipart(prompt, unused, image)), BROWSER)).files == {"image1": image[1]}
