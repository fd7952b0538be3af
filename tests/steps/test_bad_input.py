"""Invalid input is rejected with a problem document that says what to change; nothing is stored, nothing is paid."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.world import World

PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}
LONGEST_PROMPT = "x" * 4_000
UNKNOWN_ID = "0" * 32

BODIES: dict[str, tuple[bytes, int]] = {
    "not JSON": (b"prompt=a cat", 400),
    "truncated JSON": (b'{"prompt": "a cat"', 400),
    "empty": (b"", 400),
    "not UTF-8": (b'{"prompt": "caf\xe9"}', 400),
    "NaN": (b'{"prompt": "a cat", "n": NaN}', 400),
    "Infinity": (b'{"prompt": "a cat", "n": -Infinity}', 400),
    "a number beyond the range of floats": (b'{"prompt": "a cat", "n": 1e999}', 400),
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
    "prompt too long": ({"prompt": LONGEST_PROMPT + "x"}, "prompt"),
    "prompt with a lone surrogate": ({"prompt": "a \ud83d cat"}, "prompt"),
    "another field with a lone surrogate": ({"prompt": "a cat", "style": ["x", {"y": "\ud83d"}]}, "style"),
    "deadline zero": ({"prompt": "a cat", "deadlineSeconds": 0}, "deadlineSeconds"),
    "deadline a string": ({"prompt": "a cat", "deadlineSeconds": "60"}, "deadlineSeconds"),
    "deadline true": ({"prompt": "a cat", "deadlineSeconds": True}, "deadlineSeconds"),
    "deadline too large": ({"prompt": "a cat", "deadlineSeconds": 1e300}, "deadlineSeconds"),
    "allowPartial a string": ({"prompt": "a cat", "allowPartial": "true"}, "allowPartial"),
    "allowPartial a number": ({"prompt": "a cat", "allowPartial": 1}, "allowPartial"),
    "prompt invisible": ({"prompt": "\u200b\u2060"}, "prompt"),
    "unknown workflow": ({"prompt": "a cat", "workflow": "pro"}, "workflow"),
    "workflow not a string": ({"prompt": "a cat", "workflow": ["default"]}, "workflow"),
}


def problem(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Check that the response is a problem document with all of its fields; return it."""
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    document = response.json()
    assert document["status"] == status
    assert all(document[name] for name in ("type", "title", "detail", "errorCode"))
    assert document["type"].startswith("https://")
    assert code in (None, document["errorCode"])
    return dict(document)


def nothing_happened(world: World, folder: Path) -> bool:
    """Return whether no job was stored and Wireflow was not called."""
    if world.vendor.calls:
        return False
    if not (folder / "jobs.db").exists():
        return True
    with sqlite3.connect(folder / "jobs.db") as sql:
        return sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize("case", BODIES)
async def test_an_invalid_body_is_rejected(world: World, tmp_path: Path, case: str) -> None:
    content, status = BODIES[case]
    problem(await world.http.post("/", content=content, headers=JSON), status)
    assert nothing_happened(world, tmp_path)


@pytest.mark.parametrize("case", FIELDS)
async def test_an_invalid_field_is_named_in_the_problem(world: World, tmp_path: Path, case: str) -> None:
    body, field = FIELDS[case]
    response = await world.http.post("/", content=json.dumps(body), headers=JSON)
    assert problem(response, 422, "invalid_field")["field"] == field
    assert nothing_happened(world, tmp_path)


async def test_a_body_without_a_length_is_rejected_once_it_is_too_large(world: World, tmp_path: Path) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65_536

    problem(await world.http.post("/", content=endless(), headers=JSON), 413)
    assert nothing_happened(world, tmp_path)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/cloudevents-batch+json"])
async def test_an_unsupported_media_type_is_415(world: World, tmp_path: Path, kind: str) -> None:
    response = await world.http.post("/", content=b'{"prompt": "a cat"}', headers={"Content-Type": kind})
    problem(response, 415, "unsupported_media_type")
    assert nothing_happened(world, tmp_path)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json", None]
)
async def test_every_json_media_type_is_accepted(world: World, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = await world.http.post("/", content=b'\xef\xbb\xbf{"prompt": "a cat"}', headers=headers)
    assert response.status_code == 202


@pytest.mark.parametrize("prompt", [LONGEST_PROMPT, "x", "🦊" * 4_000, "<script>", "a\u0000", "a\ncat"])
async def test_any_text_of_up_to_4000_characters_is_a_valid_prompt(world: World, prompt: str) -> None:
    job_id = await world.accepted(prompt)
    assert (await world.job(job_id))["prompt"] == prompt
    assert world.simulator.state.runs.all()[0].prompt == prompt


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/", "POST"),
        ("PUT", "/", "POST"),
        ("DELETE", "/", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", f"/jobs/{UNKNOWN_ID}", "GET, DELETE, HEAD"),
        ("PATCH", f"/jobs/{UNKNOWN_ID}", "GET, DELETE, HEAD"),
        ("DELETE", f"/jobs/{UNKNOWN_ID}/image", "GET, HEAD"),
        ("POST", f"/jobs/{UNKNOWN_ID}/image/0", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_with_an_allow_header(world: World, method: str, path: str, allow: str) -> None:
    response = await world.http.request(method, path)
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


PATHS = [
    *("/x", "/job", "/jobs/", "/jobs/x", f"/jobs/{'G' * 32}", f"/jobs/{UNKNOWN_ID}/", "//", "/HEALTH"),
    *(f"/jobs/{UNKNOWN_ID}/image/x", f"/jobs/{UNKNOWN_ID}/image/-1", f"/jobs/{UNKNOWN_ID}/image/99999"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path_is_404(world: World, method: str, path: str) -> None:
    url = httpx.URL("https://images.test").copy_with(raw_path=path.encode())
    problem(await world.http.request(method, url), 404, "not_found")


@pytest.mark.parametrize("path", [f"/jobs/{UNKNOWN_ID}", f"/jobs/{UNKNOWN_ID}/image", f"/jobs/{UNKNOWN_ID}/image/0"])
async def test_an_unknown_job_is_404(world: World, path: str) -> None:
    problem(await world.http.get(path), 404, "not_found")
    problem(await world.http.get(path, headers={"Accept": "image/*"}), 404, "not_found")


async def test_canceling_an_unknown_job_is_404(world: World) -> None:
    problem(await world.http.delete(f"/jobs/{UNKNOWN_ID}"), 404, "not_found")


async def test_a_health_check_does_not_open_the_store(world: World, tmp_path: Path) -> None:
    response = await world.http.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert not (tmp_path / "jobs.db").exists()


async def test_an_unavailable_store_is_503_with_retry_after(world: World, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    response = await world.post(key="k")
    problem(response, 503, "store_unavailable")
    assert response.headers["retry-after"]
    assert world.vendor.calls == []


async def test_no_response_contains_a_secret_or_a_stack_trace(world: World, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    responses = [await world.post(), await world.http.get("/demo-webhook"), await world.http.get(f"/jobs/{UNKNOWN_ID}")]
    for response in responses:
        assert not {"demo-webhook", "sk-simulator", "Traceback", "sqlite"} & set(
            response.text.replace('"', " ").split()
        )
