"""Pub/Sub: Google's emulator, reached by gcloud as the real one is; and the relay between it and the trigger.

The emulator signs nothing, does not say which delivery it is, and repeats what was answered with 202; the relay makes
up for that. https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/handling-failures
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.recipes.google import Google
from tests.recipes.small_server import Answer, Request, serving
from tests.servers.process import end, free_port, start

READY_SECONDS = 60.0
PROJECT, TOPIC, DEAD_LETTERS = "project", "wireflow-images-requests", "wireflow-images-dead-letters"
ATTEMPTS = 5


@dataclass(frozen=True)
class PubSub:
    """The emulator, with the topics and subscriptions of terraform/modules/images/pubsub.tf."""

    address: str

    def subscribe(self, endpoint: str) -> None:
        """Push the topic's messages there; after five attempts they go to the dead letters."""
        for name in (TOPIC, DEAD_LETTERS):
            self._put(f"topics/{name}", {})
        self._put(f"subscriptions/{DEAD_LETTERS}", {"topic": f"projects/{PROJECT}/topics/{DEAD_LETTERS}"})
        push = {
            "topic": f"projects/{PROJECT}/topics/{TOPIC}",
            "ackDeadlineSeconds": 60,
            "pushConfig": {"pushEndpoint": endpoint},
            "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "0.5s"},
            "deadLetterPolicy": {
                "deadLetterTopic": f"projects/{PROJECT}/topics/{DEAD_LETTERS}",
                "maxDeliveryAttempts": ATTEMPTS,
            },
        }
        self._put(f"subscriptions/{TOPIC}", push)

    def run(self, command: str) -> str:
        """A command line with gcloud in it; its standard output."""
        environ = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"http://{self.address}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        }
        done = subprocess.run(
            ["bash", "-ec", command], env=os.environ | environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _put(self, name: str, what: dict[str, Any]) -> None:
        url = f"http://{self.address}/v1/projects/{PROJECT}/{name}"
        httpx.put(url, json=what, timeout=60, trust_env=False).raise_for_status()


@dataclass
class Relay:
    """Hands each push to the trigger. `lost`: how many of the trigger's next answers Pub/Sub does not hear.

    `statuses`: what the trigger has answered to each message, by its id, once for each delivery.
    """

    trigger: str
    google: Google
    lost: int = 0
    statuses: dict[str, list[int]] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        pushed = json.loads(request.body)
        statuses = self.statuses.setdefault(pushed["message"]["messageId"], [])
        pushed["deliveryAttempt"] = len(statuses) + 1
        headers = {"Authorization": f"Bearer {self.google.token()}", "Accept": "application/json"}
        status = httpx.post(self.trigger, json=pushed, headers=headers, timeout=60, trust_env=False).status_code
        statuses.append(status)
        self.lost, was_lost = max(self.lost - 1, 0), self.lost > 0
        return Answer(status=503 if was_lost else 200 if status == 202 else status)


@contextmanager
def relaying(trigger: str, google: Google) -> Iterator[tuple[Relay, str]]:
    """The relay and its address."""
    relay = Relay(trigger, google)
    with serving(relay.answer) as url:
        yield relay, url


@contextmanager
def emulator(folder: Path) -> Iterator[PubSub]:
    """The emulator as long as the block lasts; skips the test where there is none."""
    if missing := [name for name in ("gcloud", "java") if not shutil.which(name)]:
        pytest.skip(f"the Pub/Sub emulator needs {' and '.join(missing)}")
    address, log = f"127.0.0.1:{free_port()}", folder / "emulator.log"
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--project={PROJECT}", f"--host-port={address}"]
    command += [f"--data-dir={folder}", "--quiet"]
    try:
        process = start(command, None, f"http://{address}/", READY_SECONDS, log)
    except RuntimeError as error:
        pytest.skip(f"the Pub/Sub emulator did not start: {error}\n{log.read_text()[-2000:]}")
    try:
        yield PubSub(address)
    finally:
        end(process)
