"""The recipe "n8n": its request, and a Wait node that resumes once."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.recipes.deployment import SECONDS, TOKEN, Deployment
from tests.recipes.readme_blocks import blocks, filled_in, settings
from tests.recipes.small_server import Answer, Request, serving

# What its HTTP Request node sends unless a header or the format of the response is set.
ACCEPT = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7"
PATH = "/webhook-waiting/231?signature=f3a1"


@dataclass
class Waiting:
    """An execution that waits: its resume URL takes one request with the method of the Wait node."""

    url: str = ""
    resumed: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Request) -> Answer:
        if request.path != PATH or request.method != settings("n8n")["HTTP Method"]:
            return Answer(status=404)
        if self.resumed:
            self.refused += 1
            return Answer(b'{"message": "The execution has finished already."}', status=409)
        self.resumed.append({"headers": dict(request.headers), "body": json.loads(request.body)})
        self.done.set()
        return Answer(b'{"message": "Workflow was started"}')


@contextmanager
def waiting() -> Iterator[Waiting]:
    node = Waiting()
    with serving(node.answer) as url:
        node.url = url + PATH
        yield node


def send(deployment: Deployment, prompt: str, node: Waiting, execution: str) -> dict[str, Any]:
    """Send the request of the recipe for an execution; return the job."""
    (code,) = blocks("n8n", "http")
    values = {" $json.prompt ": prompt, " $execution.id ": execution, " $execution.resumeUrl ": node.url}
    head, _, body = filled_in(code, deployment.trigger, TOKEN, **values).partition("\n\n")
    url, *lines = head.removeprefix("POST ").split("\n")
    headers = {"Accept": ACCEPT, **dict(line.split(": ", 1) for line in lines)}
    answer = deployment.http.post(url, headers=headers, content=json.dumps(json.loads(body)).encode())
    return dict(answer.raise_for_status().json())


@pytest.mark.parametrize(
    ("prompt", "type"),
    [("a fox for n8n", "image.completed"), ("a fox for n8n [fault:moderation]", "image.failed")],
    ids=["succeeded", "failed"],
)
def test_the_workflow_goes_on_when_the_job_is_final(prompt: str, type: str, deployment: Deployment) -> None:
    with waiting() as node:
        job = send(deployment, prompt, node, f"of-{type}")
        assert node.done.wait(SECONDS)
        (resumed,) = node.resumed
        assert (resumed["body"]["type"], resumed["body"]["data"]["id"]) == (type, job["id"])
        assert resumed["body"]["data"]["imageUrl"] == job["imageUrl"]
        (delivered,) = eventual_callbacks(deployment, job["id"])
        assert (delivered["status"], delivered["url"]) == ("delivered", node.url.partition("?")[0])
        assert node.refused == 0


def test_a_later_delivery_to_an_execution_that_has_gone_on_changes_nothing(deployment: Deployment) -> None:
    with waiting() as node:
        job = send(deployment, "a fox that is told of twice", node, "delivered-again")
        assert node.done.wait(SECONDS)
        eventual_callbacks(deployment, job["id"])
        url, headers = f"{deployment.trigger}/jobs/{job['id']}/redeliver", {"Authorization": f"Bearer {TOKEN}"}
        deployment.http.post(url, headers=headers).raise_for_status()
        deadline = time.monotonic() + SECONDS
        while not node.refused and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (node.refused, len(node.resumed)) == (1, 1)


def test_an_execution_that_is_repeated_pays_nothing_and_is_told_too(deployment: Deployment) -> None:
    with waiting() as first, waiting() as second:
        job = send(deployment, "a fox for two executions", first, "again")
        assert first.done.wait(SECONDS)
        assert send(deployment, "a fox for two executions", second, "again")["id"] == job["id"]
        assert second.done.wait(SECONDS)
        assert first.resumed[0]["body"] == second.resumed[0]["body"]
    assert len(deployment.runs_of("a fox for two executions")) == 1


def eventual_callbacks(deployment: Deployment, job_id: str) -> list[dict[str, Any]]:
    """Return the callbacks of a job when none is pending."""
    deadline = time.monotonic() + SECONDS
    while True:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        job = deployment.http.get(f"{deployment.trigger}/jobs/{job_id}", headers=headers).json()
        if time.monotonic() > deadline or all(one["status"] != "pending" for one in job["callbacks"]):
            return list(job["callbacks"])
        time.sleep(0.2)
