"""The recipe "Zapier": each step's request as it is described there, sent by a client that follows redirects."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.recipes.deployment import SECONDS, TOKEN, Deployment
from tests.recipes.readme_blocks import blocks, filled_in, settings
from tests.recipes.small_server import Answer, Request, serving

ASK, ASK_FOR_BYTES = range(2)
SETTINGS = settings("Zapier")


@dataclass(frozen=True)
class Zap:
    """Sends the requests of the recipe, filled in with what the Zap knows."""

    deployment: Deployment

    def posts(self, request: int, prompt: str, row: str) -> httpx.Response:
        url, headers, body = self._read(request, prompt=prompt, row=row)
        content = json.dumps(json.loads(body)).encode()
        return self.deployment.http.post(url, headers=headers, content=content, follow_redirects=True)

    def gets(self, url: str, *names: str) -> httpx.Response:
        """With these of the first step's headers."""
        _, headers, _ = self._read(ASK, prompt="", row="")
        return self.deployment.http.get(url, headers={name: headers[name] for name in names}, follow_redirects=True)

    def polls(self) -> list[dict[str, Any]]:
        """What Retrieve Poll finds."""
        url, basic = (filled_in(SETTINGS[name], self.deployment.trigger, TOKEN) for name in ("URL", "Basic Auth"))
        user, _, password = basic.partition("|")
        answer = self.deployment.http.get(url, auth=(user, password)).raise_for_status()
        found: list[dict[str, Any]] = answer.json()[SETTINGS["Key"]]
        return found

    def _read(self, request: int, **values: str) -> tuple[str, dict[str, str], str]:
        code = filled_in(blocks("Zapier", "http")[request], self.deployment.trigger, TOKEN, **values)
        head, _, body = code.partition("\n\n")
        url, *lines = head.removeprefix("POST ").split("\n")
        return url, dict(line.split(": ", 1) for line in lines), body


@pytest.fixture(scope="module", autouse=True)
def caught(deployment: Deployment) -> Iterator[list[dict[str, Any]]]:
    """What the second Zap has caught. It is subscribed before there is a job. Catch Hook answers every request."""
    jobs: list[dict[str, Any]] = []

    def catch(request: Request) -> Answer:
        jobs.append(json.loads(request.body))
        return Answer(b'{"status": "success"}', {"Content-Type": "application/json"})

    with serving(catch) as url:
        (code,) = blocks("Zapier", "bash")
        code = filled_in(code, deployment.trigger, TOKEN).replace("CATCH_HOOK_URL", f"{url}/hooks/catch/1/a/")
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=SECONDS)
        hook = json.loads(done.stdout)
        assert (hook["format"], hook["events"]) == ("flat", ["image.completed"])
        yield jobs


@pytest.fixture
def zap(deployment: Deployment) -> Zap:
    return Zap(deployment)


def test_one_step_ends_with_the_image_of_its_row(zap: Zap) -> None:
    prompt = "a lighthouse for the first row"
    answer = zap.posts(ASK, prompt, row="2")
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=25"
    job = answer.json()
    assert (job["status"], job["caller"], job["imageCount"]) == ("succeeded", "zapier", 1)
    file = httpx.get(job["imageUrl"], trust_env=False)  # as a file field does it: no token, and no other header
    assert zap.deployment.is_image_of(prompt, file.content)


def test_a_step_whose_job_fails_fails_with_the_reason(zap: Zap) -> None:
    for _ in range(2):
        answer = zap.posts(ASK, "a lighthouse [fault:moderation]", row="9")
        problem = answer.json()
        assert (answer.status_code, problem["errorCode"], problem["jobErrorCode"]) == (422, "job_failed", "moderation")
        assert "provider" in problem["detail"] or "rejected" in problem["detail"]


def test_a_zap_that_is_replayed_meets_the_same_job_and_pays_nothing(zap: Zap) -> None:
    first, again = (zap.posts(ASK, "two herons", row="3") for _ in range(2))
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert len(zap.deployment.runs_of("two herons")) == 1


def test_a_job_that_takes_longer_is_followed_by_a_second_step(zap: Zap) -> None:
    prompt = "a slow barge"
    posted = zap.deployment.http.post(  # the first step, when its time is over
        zap.deployment.trigger, json={"prompt": prompt}, headers={"Authorization": f"Bearer {TOKEN}"}
    ).json()
    assert posted["status"] != "succeeded"
    assert zap.gets(posted["statusUrl"], "Authorization", "Prefer").json()["status"] == "succeeded"


def test_the_bytes_are_at_the_image_url_as_soon_as_they_are_there(zap: Zap) -> None:
    prompt, http = "a barge that somebody waits for", zap.deployment.http
    headers = {"Authorization": f"Bearer {TOKEN}"}
    posted = http.post(zap.deployment.trigger, json={"prompt": prompt}, headers=headers).json()
    assert zap.deployment.is_image_of(prompt, zap.gets(posted["imageUrl"], "Prefer").content)


def test_one_request_ends_with_the_bytes(zap: Zap) -> None:
    prompt = "a heron as bytes"
    answer = zap.posts(ASK_FOR_BYTES, prompt, row="4")
    assert answer.headers["content-type"] == "image/png"
    assert [redirect.status_code for redirect in answer.history] == [303]
    assert zap.deployment.is_image_of(prompt, answer.content)
    assert zap.posts(ASK, prompt, row="4").json()["id"] == zap.deployment.finished(prompt)["id"]


def test_the_list_of_new_images_is_what_retrieve_poll_takes(zap: Zap) -> None:
    for row, prompt in enumerate(["an older barge", "a newer barge"], 5):
        zap.posts(ASK, prompt, row=str(row))
    listed = zap.polls()
    assert [job["prompt"] for job in listed[:2]] == ["a newer barge", "an older barge"]
    assert len({job[SETTINGS["Deduplication Key"]] for job in listed}) == len(listed)
    assert {job["status"] for job in listed} == {"succeeded"}
    objects = [value for value in listed[0].values() if isinstance(value, dict)]
    assert not any(isinstance(value, dict | list) for one in objects for value in one.values())  # Zapier flattens those


def test_a_second_zap_starts_with_each_image(zap: Zap, caught: list[dict[str, Any]]) -> None:
    for prompt, row in (("a barge to catch", "21"), ("a barge [fault:moderation]", "22"), ("a heron to catch", "23")):
        zap.posts(ASK, prompt, row=row)
    prompts, deadline = {"a barge to catch", "a heron to catch"}, time.monotonic() + SECONDS
    while prompts - {job["prompt"] for job in caught} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert prompts < {job["prompt"] for job in caught}
    assert {job["status"] for job in caught} == {"succeeded"}
    for job in (job for job in caught if job["prompt"] in prompts):
        file = httpx.get(job["imageUrl"], trust_env=False)
        assert zap.deployment.is_image_of(job["prompt"], file.content)
    url, headers = f"{zap.deployment.trigger}/jobs?flat=true", {"Authorization": f"Bearer {TOKEN}"}
    assert zap.deployment.http.get(url, headers=headers).json()[0].keys() == caught[0].keys()
