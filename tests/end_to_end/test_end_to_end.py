"""From a POST to the bytes, with real processes on every side: what the contract promises to a caller."""

import asyncio
import hashlib
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.conftest import Running
from tests.images.sample_images import encoded

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 60.0


async def runs_of(prompt: str, running: Running) -> list[dict[str, Any]]:
    return [run for run in await running.caller.runs() if run["prompt"] == prompt]


async def test_a_prompt_becomes_the_image_that_was_paid_for(running: Running):
    http, prompt = running.caller.http, "a lighthouse before a thunderstorm"
    posted = await http.post("/", json={"prompt": prompt, "aspect_ratio": "16:9"})
    assert posted.status_code == 202, posted.text
    assert posted.headers["location"] == f"/jobs/{posted.json()['id']}"
    assert int(posted.headers["retry-after"]) > 0

    job = await running.caller.finished(posted.json()["id"], SECONDS)
    assert job["status"] == "succeeded", job
    assert job["imageUrl"] == posted.json()["imageUrl"]
    (run,) = await runs_of(prompt, running)
    (paid,) = run["pictures"]
    (image,) = job["images"]
    assert job["executionId"] == run["executionId"]
    assert {name: image[name] for name in ("sha256", "bytes", "contentType", "width", "height")} == {
        name: paid[name] for name in ("sha256", "bytes", "contentType", "width", "height")
    }

    served = await http.get(job["imageUrl"], follow_redirects=True)
    assert served.headers["content-type"] == "image/png"
    assert hashlib.sha256(served.content).hexdigest() == paid["sha256"]
    name = f"images/jobs/{job['id']}/1/0.png"
    stored = await http.get(
        f"{running.storage}/storage/v1/b/{running.product.places.bucket}/o/{quote(name, safe='')}?alt=media"
    )
    assert hashlib.sha256(stored.content).hexdigest() == paid["sha256"]


async def test_the_same_key_and_value_is_the_same_job_and_is_paid_once(running: Running):
    http, prompt, key = running.caller.http, "two herons", {"Idempotency-Key": "herons-1"}
    first = await http.post("/", json={"prompt": prompt, "seed": 1}, headers=key)
    again = await http.post("/", content=f'{{"seed": 1.0, "prompt": "{prompt}"}}', headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]

    other = await http.post("/", json={"prompt": "one heron"}, headers=key)
    assert other.status_code == 422
    assert other.json()["errorCode"] == "idempotency_key_reused"

    await running.caller.finished(first.json()["id"], SECONDS)
    late = await http.post("/", json={"prompt": prompt, "seed": 1}, headers={"Idempotency-Key": '"herons-1"'})
    assert (late.status_code, late.json()["status"]) == (200, "succeeded")
    assert len(await runs_of(prompt, running)) == 1


async def test_an_input_image_reaches_the_model_and_is_not_kept_longer_than_needed(running: Running):
    http, image = running.caller.http, encoded("png", 40, 30)
    files = {"image1": ("fox.png", image, "image/png")}
    posted = await http.post("/", data={"prompt": "a fox in the snow"}, files=files)
    assert posted.status_code == 202, posted.text
    job = await running.caller.finished(posted.json()["id"], SECONDS)
    assert job["status"] == "succeeded", job
    (run,) = await runs_of("a fox in the snow", running)
    assert run["input"] == hashlib.sha256(image).hexdigest()

    listed = (await http.get("/jobs", params={"status": "succeeded", "limit": 1})).json()
    assert [one["id"] for one in listed["jobs"]] == [job["id"]]
    name = quote(f"images/inputs/{job['id']}", safe="")
    address = f"{running.storage}/storage/v1/b/{running.product.places.bucket}/o/{name}"
    for _ in range(int(2 * SECONDS)):
        if gone := (await http.get(address)).status_code == 404:
            break
        await asyncio.sleep(0.5)
    assert gone


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "allow"),
    [
        ("GET", "/", "", {}, 405, "POST"),
        ("PUT", "/", "{}", {}, 405, "POST"),
        ("POST", "/health", "{}", {}, 405, "GET, HEAD"),
        ("PATCH", f"/jobs/{'0' * 32}", "{}", {}, 405, "GET, DELETE, HEAD"),
        ("GET", f"/jobs/{'0' * 32}", "", {}, 404, None),
        ("GET", f"/jobs/{'0' * 32}/image", "", {}, 404, None),
        ("GET", "/nowhere", "", {}, 404, None),
        ("POST", "/", "a fox", {"Content-Type": "text/plain"}, 415, None),
        ("POST", "/", "{}", {}, 422, None),
        ("POST", "/", '{"prompt": "a fox", "callbackUrl": "http://example.com"}', {}, 422, None),
        ("POST", "/", '{"prompt": ', {}, 400, None),
        ("POST", "/", '{"prompt": "a fox"}', {"Idempotency-Key": "two words"}, 400, None),
        ("POST", "/", '{"prompt": "' + "a" * 600_000 + '"}', {}, 413, None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_request_is_answered_with_a_problem_and_costs_nothing(
    running: Running, method: str, path: str, body: str, headers: dict[str, str], status: int, allow: str | None
):
    before = (await running.caller.stats())["starts"]
    answer = await running.caller.http.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("allow") == allow
    assert set(answer.json()) - {"field"} == {"type", "title", "status", "detail", "errorCode"}
    assert (await running.caller.stats())["starts"] == before


async def test_the_poller_answers_the_scheduler_only(running: Running):
    (poller,) = running.product.pollers
    read = await running.caller.http.get(poller.url)
    assert (read.status_code, read.headers["allow"]) == (405, "POST")
    # The window that goes on meanwhile may end between two calls: one of them meets it.
    calls = [await running.caller.http.post(poller.url) for _ in range(2)]
    counts = {"claimed", "dispatched", "polled", "completed", "stored", "failed", "bytes", "seconds"}
    assert all(call.json() == {"busy": True} or set(call.json()) == counts for call in calls)
