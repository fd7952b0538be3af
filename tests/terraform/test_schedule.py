"""The poller: one at a time, called by the schedule and by wake-ups, never cut off by a deadline."""

import re

import pytest

from functions.trigger.parsing.read import MULTIPART_LIMIT
from shared.images.download import COPY_SECONDS
from shared.wake_up.cloud_tasks import MAX_DISPATCH_SECONDS
from shared.wiring import MAX_CONCURRENT_COPIES
from tests.terraform.environment import load
from tests.terraform.mocked import State

UPLOAD = MULTIPART_LIMIT / 1024 / 1024  # MiB: the largest body; held as it came and taken apart


def window(state: State) -> float:
    """The window that the poller itself will take."""
    return load(state.function("poller")).poll_window


def mebibytes(text: str) -> int:
    """`512Mi`, `1Gi` → 512, 1024."""
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def seconds(text: str) -> int:
    """`320s` → 320."""
    assert text.endswith("s")
    return int(text[:-1])


def test_window_timeout_and_deadline_follow_from_each_other(deployment: State) -> None:
    timeout = deployment.function("poller").service["timeout_seconds"]
    (job,) = deployment.all("google_cloud_scheduler_job")
    deadline = seconds(job.values["attempt_deadline"])
    assert window(deployment) + COPY_SECONDS < timeout < deadline <= 30 * 60
    assert timeout == window(deployment) + COPY_SECONDS + 5
    assert deadline == timeout + 20


def test_by_default_they_are_55_300_and_320_seconds(smallest: State) -> None:
    (job,) = smallest.all("google_cloud_scheduler_job")
    timeout = smallest.function("poller").service["timeout_seconds"]
    assert (window(smallest), timeout, job.values["attempt_deadline"]) == (55, 300, "320s")


def test_there_is_one_poller_and_a_call_during_a_window_reaches_it(deployment: State) -> None:
    service = deployment.function("poller").service
    assert (service["min_instance_count"], service["max_instance_count"]) == (0, 1)
    waiting_for_copies = MAX_CONCURRENT_COPIES  # at most one window for each
    assert service["max_instance_request_concurrency"] >= waiting_for_copies + 2


@pytest.mark.parametrize("name", ["trigger", "poller"])
def test_more_than_one_request_at_a_time_has_a_whole_processor(deployment: State, name: str) -> None:
    service = deployment.function(name).service
    assert service["max_instance_request_concurrency"] > 1
    assert service["available_cpu"] == "1"


def test_an_instance_of_the_trigger_has_room_for_as_many_uploads_as_it_takes_requests(deployment: State) -> None:
    service = deployment.function("trigger").service
    uploads = service["max_instance_request_concurrency"] * 2 * UPLOAD
    assert uploads + 200 <= mebibytes(service["available_memory"])


def test_the_triggers_instances_are_what_was_asked_for(smallest: State, largest: State) -> None:
    for state, expected in ((smallest, (0, 10)), (largest, (1, 20))):
        service = state.function("trigger").service
        assert (service["min_instance_count"], service["max_instance_count"]) == expected


def test_the_schedule_calls_the_poller_every_minute_with_an_identity_for_it(deployment: State) -> None:
    (job,) = deployment.all("google_cloud_scheduler_job")
    address = deployment.function("poller").service["uri"]
    (target,) = job.values["http_target"]
    (token,) = target["oidc_token"]
    assert (job.values["schedule"], job.values["time_zone"]) == ("* * * * *", "Etc/UTC")
    assert job.values["retry_config"][0]["retry_count"] == 0
    assert (target["http_method"], target["uri"], token["audience"]) == ("POST", address, address)
    (grant,) = [
        item for item in deployment.all("google_cloud_run_v2_service_iam_member") if item.name == "poller_invoker"
    ]
    assert grant.values["member"] == f"serviceAccount:{token['service_account_email']}"


def test_wake_ups_go_through_the_queue_to_the_poller_with_the_identity_of_the_schedule(deployment: State) -> None:
    wake_up = load(deployment.function("poller")).wake_up
    (queue,) = deployment.all("google_cloud_tasks_queue")
    (job,) = deployment.all("google_cloud_scheduler_job")
    poller = deployment.function("poller").values
    assert wake_up is not None
    assert wake_up.queue == f"projects/example-project/locations/{poller['location']}/queues/{queue.values['name']}"
    assert queue.values["location"] == poller["location"]
    assert wake_up.url == f"https://{poller['name']}-123456789012.{poller['location']}.run.app"
    assert wake_up.account == job.values["http_target"][0]["oidc_token"][0]["service_account_email"]


def test_a_wake_up_is_tried_three_times_and_not_while_a_window_may_be_open(deployment: State) -> None:
    (queue,) = deployment.all("google_cloud_tasks_queue")
    assert queue.values["retry_config"][0]["max_attempts"] == 3
    assert deployment.function("poller").service["timeout_seconds"] < MAX_DISPATCH_SECONDS


def test_each_deployment_has_a_queue_of_another_name(deployments: dict[str, State]) -> None:
    names = [queue.values["name"] for state in deployments.values() for queue in state.all("google_cloud_tasks_queue")]
    assert len(set(names)) == len(names) == len(deployments)
    assert all(re.fullmatch(r"(wireflow-images|gallery)-[0-9a-f]{8}", name) for name in names)
