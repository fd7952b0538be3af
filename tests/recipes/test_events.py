"""The recipe "Pub/Sub and Eventarc": gcloud against Google's emulator, curl, and what Eventarc sends."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.recipes.deployment import SECONDS, TOKEN, Deployment
from tests.recipes.google import Google
from tests.recipes.pubsub import ATTEMPTS, DEAD_LETTERS, PROJECT, TOPIC, PubSub, Relay, emulator, relaying
from tests.recipes.readme_blocks import DEPLOYMENT, blocks, filled_in

PUBLISH, CLOUD_EVENT = range(2)
AFTER_APPLY = f"terraform() {{ echo projects/{PROJECT}/subscriptions/{DEAD_LETTERS}; }}\n"
PUBLISHED = "A red fox in the snow"


def line(number: int, deployment: Deployment) -> str:
    return filled_in(blocks("Pub/Sub and Eventarc", "sh")[number], deployment.trigger, TOKEN)


def look_at_dead_letters() -> str:
    """The first two lines of the block; the others fix and publish again what is found."""
    (block,) = (block for block in blocks("Requests from Pub/Sub", "sh", DEPLOYMENT) if "subscriptions pull" in block)
    return AFTER_APPLY + "".join(block.splitlines(keepends=True)[:2])


@dataclass(frozen=True)
class Subscription:
    """The topic, and how its messages reach the trigger."""

    pubsub: PubSub
    relay: Relay


@pytest.fixture(scope="module")
def subscription(
    deployment: Deployment, certified: Google, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subscription]:
    with emulator(tmp_path_factory.mktemp("pubsub")) as pubsub, relaying(deployment.trigger, certified) as (relay, url):
        pubsub.subscribe(url)
        yield Subscription(pubsub, relay)


def test_a_message_is_one_job_however_often_it_is_delivered(deployment: Deployment, subscription: Subscription) -> None:
    subscription.relay.lost = 2
    subscription.pubsub.run(line(PUBLISH, deployment))
    job = deployment.finished(PUBLISHED)
    assert (job["status"], job["caller"]) == ("succeeded", "event")
    assert [status // 100 for status in answers_to_newest(subscription.relay, 3)] == [2, 2, 2]
    assert len(deployment.jobs_of(PUBLISHED)) == len(deployment.runs_of(PUBLISHED)) == 1
    (run,) = deployment.runs_of(PUBLISHED)
    assert run["body"]["aspect_ratio"] == "16:9"


@pytest.mark.slow
def test_a_message_that_is_refused_five_times_is_kept_with_the_dead_letters(
    deployment: Deployment, subscription: Subscription
) -> None:
    subscription.relay.statuses.clear()
    subscription.pubsub.run(line(PUBLISH, deployment).replace('"prompt"', '"promt"'))
    assert answers_to_newest(subscription.relay, ATTEMPTS) == [422] * ATTEMPTS
    deadline = time.monotonic() + SECONDS
    while '"promt"' not in (kept := subscription.pubsub.run(look_at_dead_letters())) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert PUBLISHED in kept


def test_a_message_by_way_of_eventarc_is_the_same_job_as_the_message(deployment: Deployment, certified: Google) -> None:
    """https://cloud.google.com/eventarc/docs/cloudevents: the binary mode, the push as its data."""
    prompt = "a fox by two ways"
    data = base64.b64encode(json.dumps({"prompt": prompt}).encode()).decode()
    message = {"data": data, "messageId": "8101", "message_id": "8101", "publishTime": "2026-03-01T12:00:00Z"}
    pushed = {"message": message, "subscription": f"projects/project/subscriptions/{TOPIC}"}
    event = {
        "ce-id": "8101",
        "ce-source": f"//pubsub.googleapis.com/projects/project/topics/{TOPIC}",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
        "ce-time": "2026-03-01T12:00:00Z",
    }
    signed = {"Authorization": f"Bearer {certified.token()}"}
    first = deployment.http.post(deployment.trigger, json=pushed, headers=signed | event)
    again = deployment.http.post(deployment.trigger, json=pushed | {"deliveryAttempt": 2}, headers=signed)
    assert first.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert deployment.finished(prompt)["status"] == "succeeded"


@pytest.mark.parametrize("claims", [{"aud": "https://elsewhere.example"}, {"email": "a@b.c"}, {"exp": 1}, None])
def test_an_event_that_google_did_not_sign_for_us_makes_no_job(
    deployment: Deployment, certified: Google, claims: dict[str, object] | None
) -> None:
    prompt = f"a fox with a wrong signature: {claims}"
    token = certified.token(**claims) if claims else certified.token()[:-8] + "AAAAAAAA"
    answer = deployment.http.post(
        deployment.trigger, json={"prompt": prompt}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    assert deployment.jobs_of(prompt) == []


def test_a_cloud_event_by_curl_is_one_job_however_often_it_is_sent(deployment: Deployment) -> None:
    for status in ("202 Accepted", "20"):
        done = subprocess.run(
            ["bash", "-ec", line(CLOUD_EVENT, deployment)], capture_output=True, text=True, timeout=60
        )
        assert f"HTTP/1.1 {status}" in done.stdout, done.stdout + done.stderr
    assert "idempotent-replayed: true" in done.stdout
    assert deployment.finished("A thank-you card with a red fox")["status"] == "succeeded"


def answers_to_newest(relay: Relay, deliveries: int) -> list[int]:
    """What the trigger has answered to the newest message, once it has been delivered so often."""
    deadline = time.monotonic() + SECONDS
    seen: list[int] = []
    while len(seen) < deliveries and time.monotonic() < deadline:
        time.sleep(0.1)
        seen = list(relay.statuses.values())[-1] if relay.statuses else []
    return seen
