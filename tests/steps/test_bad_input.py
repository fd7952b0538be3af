"""Bad input is refused by a problem document that says what to change; nothing is stored and nothing is paid."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.world import World

PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}
LONGEST = "x" * 4_000
NOBODY = "0" * 32

BODIES: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"prompt=a cat", 400),
    "half a JSON": (b'{"prompt": "a cat"', 400),
    "nothing": (b"", 400),
    "not UTF-8": (b'{"prompt": "caf\xe9"}', 400),
    "NaN": (b'{"prompt": "a cat", "n": NaN}', 400),
    "Infinity": (b'{"prompt": "a cat", "n": -Infinity}', 400),
    "a number beyond floats": (b'{"prompt": "a cat", "n": 1e999}', 400),
    "too deep": (b'{"prompt": "a cat", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "a number of 5,000 digits": (b'{"prompt": "a cat", "n": ' + b"1" * 5_000 + b"}", 400),
    "a list": (b'[{"prompt": "a cat"}]', 403),
    "a string": (b'"a cat"', 422),
    "null": (b"null", 422),
    "101 levels deep": (b'{"prompt": "a cat", "n": ' + b"[" * 101 + b"]" * 101 + b"}", 422),
    "too large": (b'{"prompt": "a cat", "n": "' + b"x" * 512 * 1024 + b'"}', 413),
}
FIELDS: dict[str, Any] = {
    "no prompt": ({}, "prompt"),
    "prompt null": ({"prompt": None}, "prompt"),
    "prompt blank": ({"prompt": " \n\t\u3000"}, "prompt"),
    "prompt empty": ({"prompt": ""}, "prompt"),
    "prompt a number": ({"prompt": 7}, "prompt"),
    "prompt a list": ({"prompt": ["a cat"]}, "prompt"),
    "prompt too long": ({"prompt": LONGEST + "x"}, "prompt"),
    "prompt with half a character": ({"prompt": "a \ud83d cat"}, "prompt"),
    "another field with half a character": ({"prompt": "a cat", "style": ["x", {"y": "\ud83d"}]}, "style"),
    "deadline zero": ({"prompt": "a cat", "deadlineSeconds": 0}, "deadlineSeconds"),
    "deadline a text": ({"prompt": "a cat", "deadlineSeconds": "60"}, "deadlineSeconds"),
    "deadline true": ({"prompt": "a cat", "deadlineSeconds": True}, "deadlineSeconds"),
    "deadline for ever": ({"prompt": "a cat", "deadlineSeconds": 1e300}, "deadlineSeconds"),
    "allowPartial a text": ({"prompt": "a cat", "allowPartial": "true"}, "allowPartial"),
    "allowPartial null": ({"prompt": "a cat", "allowPartial": None}, "allowPartial"),
    "another workflow": ({"prompt": "a cat", "workflow": "pro"}, "workflow"),
    "workflow no text": ({"prompt": "a cat", "workflow": ["default"]}, "workflow"),
}
# Of the names that the contract keeps for us, those that nothing honours yet.
NOT_BUILT = ["callbackUrl", "altText", "then", "metadata"]


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document, which has everything that the contract names."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    document = answer.json()
    assert document["status"] == status
    assert all(document[name] for name in ("type", "title", "detail", "errorCode"))
    assert document["type"].startswith("https://")
    assert code in (None, document["errorCode"])
    return dict(document)


def untouched(here: World, folder: Path) -> bool:
    """Nothing was stored and nothing was paid."""
    if here.vendor.calls:
        return False
    if not (folder / "jobs.db").exists():
        return True
    with sqlite3.connect(folder / "jobs.db") as sql:
        return sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_is_no_request_is_refused(here: World, tmp_path: Path, case: str) -> None:
    content, status = BODIES[case]
    problem(await here.http.post("/", content=content, headers=JSON), status)
    assert untouched(here, tmp_path)


@pytest.mark.parametrize("case", FIELDS)
async def test_a_field_that_is_wrong_is_named(here: World, tmp_path: Path, case: str) -> None:
    body, field = FIELDS[case]
    answer = await here.http.post("/", content=json.dumps(body), headers=JSON)
    assert problem(answer, 422, "invalid_field")["field"] == field
    assert untouched(here, tmp_path)


@pytest.mark.parametrize("name", NOT_BUILT)
@pytest.mark.parametrize("value", ["x", None, []])
async def test_a_reserved_name_that_is_not_built_is_refused_by_its_name(
    here: World, tmp_path: Path, name: str, value: object
) -> None:
    answer = await here.http.post("/", json={"prompt": "a cat", name: value})
    assert problem(answer, 422, "field_not_supported")["field"] == name
    assert untouched(here, tmp_path)


async def test_a_body_that_lies_about_its_length_is_refused_when_it_is_too_long(here: World, tmp_path: Path) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65_536

    problem(await here.http.post("/", content=endless(), headers=JSON), 413)
    assert untouched(here, tmp_path)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/cloudevents-batch+json"])
async def test_another_media_type_is_415(here: World, tmp_path: Path, kind: str) -> None:
    answer = await here.http.post("/", content=b'{"prompt": "a cat"}', headers={"Content-Type": kind})
    problem(answer, 415, "unsupported_media_type")
    assert untouched(here, tmp_path)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json", None]
)
async def test_json_by_any_of_its_names_is_taken(here: World, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await here.http.post("/", content=b'\xef\xbb\xbf{"prompt": "a cat"}', headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("prompt", [LONGEST, "x", "🦊" * 4_000, "<script>", "\u0000", "a\ncat"])
async def test_any_text_of_up_to_4000_characters_is_a_prompt(here: World, prompt: str) -> None:
    job_id = await here.accepted(prompt)
    assert (await here.job(job_id))["prompt"] == prompt
    assert here.simulator.state.runs.all()[0].prompt == prompt


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/", "POST"),
        ("PUT", "/", "POST"),
        ("DELETE", "/", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", f"/jobs/{NOBODY}", "GET, DELETE, HEAD"),
        ("PATCH", f"/jobs/{NOBODY}", "GET, DELETE, HEAD"),
        ("DELETE", f"/jobs/{NOBODY}/image", "GET, HEAD"),
        ("POST", f"/jobs/{NOBODY}/image/0", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_with_allow(here: World, method: str, path: str, allow: str) -> None:
    answer = await here.http.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


PATHS = [
    *("/x", "/job", "/jobs/", "/jobs/x", f"/jobs/{'G' * 32}", f"/jobs/{NOBODY}/", "//", "/HEALTH"),
    *(f"/jobs/{NOBODY}/image/x", f"/jobs/{NOBODY}/image/-1", f"/jobs/{NOBODY}/image/99999"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path_is_404(here: World, method: str, path: str) -> None:
    url = httpx.URL("https://images.test").copy_with(raw_path=path.encode())
    problem(await here.http.request(method, url), 404, "not_found")


@pytest.mark.parametrize("path", [f"/jobs/{NOBODY}", f"/jobs/{NOBODY}/image", f"/jobs/{NOBODY}/image/0"])
async def test_an_unknown_job_is_404(here: World, path: str) -> None:
    problem(await here.http.get(path), 404, "not_found")
    problem(await here.http.get(path, headers={"Accept": "image/*"}), 404, "not_found")


async def test_an_unknown_job_cannot_be_taken_back(here: World) -> None:
    problem(await here.http.delete(f"/jobs/{NOBODY}"), 404, "not_found")


async def test_health_touches_no_store(here: World, tmp_path: Path) -> None:
    answer = await here.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not (tmp_path / "jobs.db").exists()


async def test_a_store_that_is_away_is_503_and_says_when_to_come_again(here: World, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    answer = await here.post(key="k")
    problem(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"]
    assert here.vendor.calls == []


async def test_no_answer_quotes_a_secret_or_a_stack(here: World, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    answers = [await here.post(), await here.http.get("/demo-webhook"), await here.http.get(f"/jobs/{NOBODY}")]
    for answer in answers:
        assert not {"demo-webhook", "sk-simulator", "Traceback", "sqlite"} & set(answer.text.replace('"', " ").split())
