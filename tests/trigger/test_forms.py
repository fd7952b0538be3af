"""Forms, urlencoded and multipart, become requests; a file is an image, and is held in memory once."""

import hashlib
import tracemalloc
from typing import Any

import pytest

from shared.idempotency import fingerprint
from tests.images.sample_images import WAYS_TO_SAVE, encoded, png_of_size
from tests.trigger.posting import BROWSER, decoded, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
PNG = encoded("png", 8, 8)
MIB = 1024 * 1024


def parts(*lines: bytes, end: bytes = b"--x--\r\n") -> dict[str, Any]:
    """A multipart body, written by hand: header lines and content of one part each."""
    body = b"".join(b"--x\r\n" + line + b"\r\n" for line in lines) + end
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def field(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + value


# --- fields --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["urlencoded", "multipart"])
@pytest.mark.parametrize("text", ["a cat", "Füchse & Käfer = 🦊 + 100 %;", "two\r\nlines", "<b>", " \ta "])
async def test_a_field_has_the_text_that_was_typed(way: str, text: str) -> None:
    content = {"data": {"prompt": text}} if way == "urlencoded" else {"files": {"prompt": (None, text)}}
    form = await decoded(sent(**content))
    assert (form.body, form.form) == ({"prompt": text}, True)


@pytest.mark.parametrize("way", ["urlencoded", "multipart"])
async def test_repeated_names_become_a_list(way: str) -> None:
    pairs = [("prompt", "a cat"), ("tag", "x"), ("tag", ""), ("tag", "y"), ("one", "")]
    data = {"prompt": "a cat", "tag": ["x", "", "y"], "one": ""}
    content = {"data": data} if way == "urlencoded" else {"files": [(n, (None, v)) for n, v in pairs]}
    assert (await decoded(sent(**content))).body == data


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("allowPartial", text, True) for text in ("true", "on", "1", "True", " ON ")),
        *(("allowPartial", text, False) for text in ("false", "off", "0")),
        ("deadlineSeconds", "60", 60.0),
        ("deadlineSeconds", " 1.5 ", 1.5),
        ("fromImage", "2", 2),
        ("prompts", "a cat", ["a cat"]),
        ("workflow", "7", "7"),
        ("seed", "7", "7"),
    ],
)
async def test_our_typed_fields_are_read_from_text_and_others_stay_text(name: str, text: str, value: Any) -> None:
    body = (await decoded(sent(data={**CAT, name: text}))).body
    assert isinstance(body, dict)
    assert (body[name], type(body[name])) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("allowPartial", text) for text in ("yes please", "2", "null")),
        *(("deadlineSeconds", text) for text in ("soon", "1e9", "nan", "inf", "1_0", "0x10", "-5", "0", "1,5", "٣")),
        *(("fromImage", text) for text in ("1.0", "one", "-1", "1e1", "٣")),
    ],
)
async def test_an_invalid_text_is_rejected_by_its_fields_name(name: str, text: str) -> None:
    assert await rejected(sent(data={**CAT, name: text})) == (422, name)


@pytest.mark.parametrize("name", ["prompt", "workflow", "image1", "redirectUrl", "idempotencyKey", "deadlineSeconds"])
async def test_a_repeated_field_of_ours_is_rejected_by_name(name: str) -> None:
    assert await rejected(sent(data={**CAT, name: ["a", "b"]})) == (422, name)


async def test_an_empty_input_is_absent() -> None:
    names = ["workflow", "image1", "fromJob", "fromImage", "redirectUrl", "deadlineSeconds", "idempotencyKey"]
    form = await decoded(sent(data={**CAT, **dict.fromkeys(names, ""), "website": "", "style": ""}))
    assert form.body == {**CAT, "website": "", "style": ""}
    assert await rejected(sent(data={"prompt": ""})) == (422, "prompt")


# --- bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "iso-8859-1", "windows-1252"])
async def test_the_declared_charset_is_used(name: str) -> None:
    kind = {"Content-Type": f'application/x-www-form-urlencoded; charset="{name}"'}
    plain = "prompt=Käfer".encode(name)
    escaped = b"prompt=K%" + "ä".encode(name).hex("%").encode() + b"fer"
    for content in (plain, escaped):
        assert (await decoded(sent(content=content, headers=kind))).body == {"prompt": "Käfer"}
    part = field(b"prompt", "Käfer".encode(name)).replace(
        b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=%b\r\n\r\n"
    )
    request = parts(part.replace(b"%b", name.encode()))
    assert (await decoded(sent(**request))).body == {"prompt": "Käfer"}


@pytest.mark.parametrize(
    "content",
    [
        {"content": b"prompt=K\xe4fer", "headers": URLENCODED},
        {"content": b"prompt=K%E4fer", "headers": URLENCODED},
        {"content": b"pr%ffompt=a", "headers": URLENCODED},
        {"content": b"prompt=a", "headers": {"Content-Type": URLENCODED["Content-Type"] + "; charset=utf-16"}},
        {"content": b"prompt=a", "headers": {"Content-Type": URLENCODED["Content-Type"] + "; charset=zlib"}},
        parts(field(b"prompt", b"K\xe4fer")),
        parts(field(b"pr\xe4mpt", b"a")),
        parts(field(b"prompt", b"a"), end=b""),
        parts(field(b"prompt", b"a"), end=b"--x"),
        parts(field(b"prompt", b"a"), end=b"--y--\r\n"),
        parts(b"Content-Disposition: form-data\r\n\r\na cat"),
        parts(b'Content-Disposition: attachment; name="prompt"\r\n\r\na cat'),
        parts(b"no header\r\n\r\na cat"),
        parts(b"\r\na cat"),
        parts(field(b"prompt", b"YSBjYXQ=", b"\r\nContent-Transfer-Encoding: base64")),
        {"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=" + "x" * 300}},
        {"content": b"prompt=a cat", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    ],
)
async def test_an_invalid_form_is_400_and_says_what_to_change(content: dict[str, Any]) -> None:
    problem = await rejection(sent(**content))
    assert (problem.code, problem.response().status_code) == ("invalid_form", 400)
    assert len(problem.detail.split("; ")) > 1 or "without" in problem.detail


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"prompt": "a cat", "style": "x" * 524_288}},
        {"files": {"prompt": (None, "a cat"), "style": (None, "x" * 524_288)}},
        {"content": b"a=b&" * 1_001, "headers": URLENCODED},
        parts(*[field(b"a", b"b")] * 1_001),
    ],
)
async def test_a_form_with_too_much_text_is_413(content: dict[str, Any]) -> None:
    assert await rejected(sent(**content)) == (413, None)


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS_TO_SAVE)
async def test_an_image_of_any_format_is_accepted_as_the_file(way: str) -> None:
    image = encoded(way, 8, 8)
    request = sent(data=CAT, files={"image1": ("cat.bin", image, "application/octet-stream")})
    made = await submission(request, BROWSER)
    assert (made.files, made.prompt, made.image_url, made.input) == ({"image1": image}, "a cat", None, "{}")


async def test_a_file_counts_for_equality_by_its_sha256() -> None:
    made = await submission(sent(data=CAT, files={"image1": ("a.png", PNG)}))
    same = {**CAT, "image1": {"sha256": hashlib.sha256(PNG).hexdigest()}}
    assert made.fingerprint == fingerprint(same)
    assert made.fingerprint == (await submission(sent(data=CAT, files={"image1": ("other name", PNG)}))).fingerprint
    assert (
        made.fingerprint
        != (await submission(sent(data=CAT, files={"image1": ("a.png", encoded("gif", 8, 8))}))).fingerprint
    )


@pytest.mark.parametrize("name", ["image1", "photo"])
async def test_an_empty_file_input_is_absent(name: str) -> None:
    file = field(name.encode(), b"", b'; filename=""\r\nContent-Type: application/octet-stream')
    form = await decoded(sent(**parts(field(b"prompt", b"a cat"), file)))
    assert (form.body, form.files) == (CAT, {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([("photo", ("a.png", PNG))], (422, "photo")),
        ([("image1", ("a.png", PNG)), ("image1", ("b.png", PNG))], (422, "image1")),
        ([("image1", ("a.png", b"<svg/>", "image/png"))], (422, "image1")),
        ([("image1", ("a.png", PNG)), ("image1", (None, "https://a.example/b.png"))], (422, "image1")),
        ([("image1", ("a.png", PNG)), ("fromJob", (None, "0" * 32))], (422, "fromJob")),
        ([("image1", ("a.png", PNG)), ("prompts", (None, "a dog"))], (422, "image1")),
        ([("image1", ("a.png", PNG)), ("metadata", (None, "{}"))], (422, "metadata")),
    ],
)
async def test_an_invalid_file_is_named(files: Any, expected: Any) -> None:
    assert await rejected(sent(data=CAT, files=files)) == expected


@pytest.mark.parametrize(("size", "field"), [(25 * MIB + 1, "image1"), (26 * MIB, None)])
async def test_a_file_that_is_too_large_is_413(size: int, field: str | None) -> None:
    assert await rejected(sent(data=CAT, files={"image1": ("a.png", png_of_size(size))})) == (413, field)


async def test_a_file_full_of_near_boundaries_is_rejected_before_it_is_parsed() -> None:
    file = field(b"image1", PNG + b"\r\n--xA" * 1_001, b'; filename="a"')
    assert await rejected(sent(**parts(file))) == (413, None)


async def test_a_file_without_a_plain_filename_is_a_file() -> None:
    file = field(b"image1", PNG, b"; filename*=UTF-8''cat.png")
    assert (await decoded(sent(**parts(file)))).files == {"image1": PNG}


@pytest.mark.parametrize("content", [b"\r\n--", b"\r\n--xyz", b"--x\r\n", b"\r\n\r\n--y--\r\n", b"\r" * 5_000])
async def test_bytes_that_look_like_a_boundary_belong_to_the_file(content: bytes) -> None:
    image = PNG + content + PNG
    file = field(b"image1", image, b'; filename="a"')
    assert (await decoded(sent(**parts(field(b"prompt", b"a cat"), file)))).files == {"image1": image}


async def test_the_body_and_the_file_are_held_in_memory_once_each() -> None:
    request = sent(data=CAT, files={"image1": ("a.png", png_of_size(25 * MIB))})
    tracemalloc.start()
    form = await decoded(request)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(form.files["image1"]) == 25 * MIB
    assert peak < 60 * MIB
