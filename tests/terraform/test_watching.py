"""Alerts, metrics and the dashboard: each moves on a line that the product writes, and on no other."""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from shared.job import Job
from shared.ports import JobQuery, JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.virtual_time import run
from tests.harness.world import Wrap, world
from tests.steps.run_responses import run_response
from tests.terraform.logging_query import matches
from tests.terraform.mocked import FUNCTIONS, State

Line = dict[str, Any]

WINDOW = {"running", "oldestDueSeconds", "queueLength", "executionsToday"}
ALWAYS = {"job_accepted", *WINDOW}


@dataclass(frozen=True)
class Case:
    """One job, with one answer of Wireflow scripted, and what it moves beside the metrics that every job does."""

    endpoint: str = ""
    status: int = 200
    body: Any = None
    late: float = 0  # seconds until the poller comes
    failure: Exception | None = None  # with which a request fails
    undelivered: bool = False  # a receiver whose address is never allowed
    settings: Mapping[str, Any] = field(default_factory=dict)  # as of `world`
    alarms: Set[str] = frozenset()
    counted: Set[str] = frozenset()


class FailingJobs:
    """A job store whose `list_jobs` fails."""

    def __init__(self, inner: JobStore, failure: Exception) -> None:
        self._inner, self._failure = inner, failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def list_jobs(self, _query: JobQuery) -> list[Job]:
        raise self._failure


FAILED = {"status": "FAILED", "error": "The model is down."}
MODERATED = {"status": "FAILED", "error": "Rejected by the content moderation of the provider."}
ELSEWHERE = run_response("COMPLETED", "https://files.example.net/a.png")
PRICED = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.13}})
DEARER = {"WIREFLOW_WORKFLOWS": PRICED, "DAILY_SPEND_USD": "0.15", "credits": 20.0}  # costs 0.20
CASES = {
    "stored": Case(counted={"job_stored", "started", "on_time"}),
    "a run failed": Case("poll", body=FAILED, alarms={"job_failed"}, counted={"job_failed", "started"}),
    "a prompt was refused": Case("poll", body=MODERATED, counted={"job_failed", "started", "on_time"}),
    "a request was refused": Case("trigger", 422, {"error": "no such input"}, counted={"job_failed"}),
    "unknown outcome": Case("trigger", 500, alarms={"job_failed"}, counted={"job_failed"}),
    "a strange state": Case("poll", body={"status": "DREAMING"}, alarms={"unknown_shape"}, counted={"started"}),
    "a new name": Case("poll", body={"status": "RUNNING", "mood": "fine"}, counted={"started"}),
    "an image on another host": Case("poll", body=ELSEWHERE, alarms={"image_host"}, counted={"started"}),
    "no credits": Case("trigger", 402, {"error": "Insufficient credits"}, alarms={"out_of_credits"}),
    "no key": Case("trigger", 401, {"error": "API key has expired"}, alarms={"key_refused"}),
    "no key for polls": Case(
        "poll", 401, {"error": "API key has expired"}, alarms={"key_refused"}, counted={"started"}
    ),
    "no workflow": Case("trigger", 404, {"error": "not found"}, alarms={"key_refused"}),
    "no active workflow": Case("trigger", 400, {"error": "Workflow is not active"}, alarms={"key_refused"}),
    "moved": Case("trigger", 301, alarms={"key_refused"}),
    "too many": Case("trigger", 429),
    "away": Case("trigger", 503),
    "punctual": Case(late=200, counted={"job_stored", "started", "on_time"}),
    "a bug": Case(failure=KeyError("a bug"), alarms={"internal_error"}, counted={"job_stored", "started", "on_time"}),
    "no store": Case(
        failure=StoreUnavailable("away"), alarms={"configuration"}, counted={"job_stored", "started", "on_time"}
    ),
    "dearer": Case(settings=DEARER, alarms={"spend_limit"}, counted={"job_stored", "started", "on_time"}),
    "a dead receiver": Case(
        undelivered=True, alarms={"callback_undelivered"}, counted={"job_stored", "started", "on_time"}
    ),
    "late": Case(late=400, alarms={"oldest_due_job"}, counted={"job_stored", "started"}),
}


async def tell(case: Case, folder: Path) -> list[Line]:
    """The lines that the product writes about one job and one window of the poller."""
    failure = case.failure
    wrap: Wrap = (lambda store: cast(JobStore, FailingJobs(store, failure))) if failure else (lambda store: store)
    async with world(folder, wrap=wrap, ON_UNKNOWN="hold", **case.settings) as here:
        if case.endpoint:
            here.vendor.always(case.endpoint, case.status, case.body)
        job_id = await here.accepted(callbackUrl="https://private.test/" if case.undelivered else "")
        await here.clock.sleep(case.late)
        await here.run_window()
        while case.undelivered and (due_at := (await here.record(job_id)).due_at):
            await here.clock.sleep((due_at - here.clock.now()).total_seconds())
            await here.run_window()
        assert (await here.http.get("/jobs")).is_success == (failure is None)
        return here.log()


def entry(line: Line, service: str) -> dict[str, Any]:
    """What Cloud Logging makes of a line: https://cloud.google.com/run/docs/logging."""
    resource = {"type": "cloud_run_revision", "labels": {"service_name": service}}
    return {"resource": resource, "severity": line["severity"], "jsonPayload": line}


def log_filters(state: State) -> dict[str, str]:
    """Each alert that looks at log lines → its filter."""
    found = {}
    for policy in state.all("google_monitoring_alert_policy"):
        for condition in policy.values["conditions"]:
            for matched in condition["condition_matched_log"]:
                found[re.findall(r'\["(\w+)"\]', policy.address)[0]] = matched["filter"]
    return found


def metric_filters(state: State) -> dict[str, str]:
    """Each log-based metric → its filter."""
    metrics = state.all("google_logging_metric")
    return {re.findall(r'\["(\w+)"\]', item.address)[0]: item.values["filter"] for item in metrics}


def matching(filters: dict[str, str], lines: list[Line], service: str) -> set[str]:
    """The names of the filters that one of the lines matches."""
    return {name for name, query in filters.items() if any(matches(query, entry(line, service)) for line in lines)}


@pytest.mark.parametrize("name", CASES)
def test_a_case_raises_its_alarms_and_moves_its_metrics(
    deployments: dict[str, State], name: str, tmp_path: Path
) -> None:
    case = CASES[name]
    lines = run(tell(case, tmp_path))
    for state in deployments.values():
        for function in FUNCTIONS:
            service = state.function(function).values["name"]
            assert matching(log_filters(state), lines, service) == case.alarms
            assert matching(metric_filters(state), lines, service) == ALWAYS | case.counted
        assert matching(log_filters(state) | metric_filters(state), lines, "another-service") == set()


def test_the_cases_raise_every_alarm_and_move_every_metric(smallest: State) -> None:
    cases = CASES.values()
    assert set(log_filters(smallest)) - {"schedule_failed"} == set().union(*(case.alarms for case in cases))
    assert set(metric_filters(smallest)) == ALWAYS.union(*(case.counted for case in cases))


def test_the_alert_on_another_host_names_the_host_and_the_setting(smallest: State) -> None:
    """https://cloud.google.com/monitoring/alerts/doc-variables: labels that a log-match condition has extracted."""
    policy = smallest.one('google_monitoring_alert_policy.log["image_host"]')
    (condition,) = policy.values["conditions"]
    assert condition["condition_matched_log"][0]["label_extractors"] == {"host": "EXTRACT(jsonPayload.host)"}
    advice = policy.values["documentation"][0]["content"]
    assert "${log.extracted_label.host}" in advice
    assert "IMAGE_HOSTS" in advice


def test_a_call_of_the_poller_that_fails_raises_the_alarm_also_before_the_first_that_succeeds(
    deployment: State,
) -> None:
    query = log_filters(deployment)["schedule_failed"]
    (job,) = deployment.all("google_cloud_scheduler_job")

    def attempt(name: str, severity: str) -> dict[str, Any]:
        return {"resource": {"type": "cloud_scheduler_job", "labels": {"job_id": name}}, "severity": severity}

    assert matches(query, attempt(job.values["name"], "ERROR"))
    assert not matches(query, attempt(job.values["name"], "INFO"))
    assert not matches(query, attempt("another-job", "ERROR"))


def test_a_warning_about_the_configuration_raises_no_alarm(deployment: State) -> None:
    queries = log_filters(deployment)
    warning: Line = {"event": "configuration", "severity": "WARNING"}
    for name in FUNCTIONS:
        service = deployment.function(name).values["name"]
        assert matching(queries, [warning], service) == set()
        assert matching(queries, [warning | {"severity": "ERROR"}], service) == {"configuration"}


def test_every_alert_writes_to_every_address(deployment: State, existing_resources: State) -> None:
    channels = {item.values["id"] for item in deployment.all("google_monitoring_notification_channel")}
    if deployment is existing_resources:
        channels |= {"projects/example-project/notificationChannels/1234"}
    policies = deployment.all("google_monitoring_alert_policy")
    others = {"poller_silent", "server_errors", "fast", "slow", "latency", "uptime"} | {
        item.name for item in policies if item.name == "dead_letters"
    }
    assert len(policies) == len(log_filters(deployment)) + len(others)
    for policy in policies:
        assert set(policy.values["notification_channels"]) == channels
        assert policy.values["documentation"][0]["content"]


def test_an_address_has_one_channel(smallest: State, largest: State) -> None:
    assert smallest.all("google_monitoring_notification_channel") == []
    addresses = [
        item.values["labels"]["email_address"] for item in largest.all("google_monitoring_notification_channel")
    ]
    assert addresses == [f"{name}@example.com" for name in ("ada", "b", "c", "d", "e", "f")]


def test_an_alert_on_lines_has_one_condition_and_a_rate(deployment: State) -> None:
    for policy in deployment.all("google_monitoring_alert_policy"):
        if any(condition["condition_matched_log"] for condition in policy.values["conditions"]):
            assert len(policy.values["conditions"]) == 1
            assert policy.values["alert_strategy"][0]["notification_rate_limit"] == [{"period": "3600s"}]


def point(service: str, status: str) -> dict[str, Any]:
    """A point of Cloud Run's own count of requests."""
    resource = {"type": "cloud_run_revision", "labels": {"service_name": service}}
    metric = {"type": "run.googleapis.com/request_count", "labels": {"response_code_class": status}}
    return {"resource": resource, "metric": metric}


def test_silence_of_the_poller_is_the_lack_of_good_answers_of_the_poller(deployment: State) -> None:
    (condition,) = deployment.one("google_monitoring_alert_policy.poller_silent").values["conditions"]
    query = condition["condition_absent"][0]["filter"]
    trigger, poller = (deployment.function(name).values["name"] for name in FUNCTIONS)
    heard = [status for status in ("2xx", "4xx", "5xx") if matches(query, point(poller, status))]
    assert heard == ["2xx"]
    assert not matches(query, point(trigger, "2xx"))


def test_a_5xx_of_either_function_raises_the_alarm(deployment: State) -> None:
    conditions = deployment.one("google_monitoring_alert_policy.server_errors").values["conditions"]
    queries = [condition["condition_threshold"][0]["filter"] for condition in conditions]
    for name in FUNCTIONS:
        service = deployment.function(name).values["name"]
        assert [matches(query, point(service, "5xx")) for query in queries].count(True) == 1
        assert not any(matches(query, point(service, status)) for query in queries for status in ("2xx", "4xx"))


def test_a_message_in_the_dead_letter_subscription_raises_the_alarm(pubsub: State, smallest: State) -> None:
    (condition,) = pubsub.one("google_monitoring_alert_policy.dead_letters[0]").values["conditions"]
    threshold = condition["condition_threshold"][0]
    metric = {"type": "pubsub.googleapis.com/subscription/num_undelivered_messages"}
    kept, pushed = (
        {"resource": {"type": "pubsub_subscription", "labels": {"subscription_id": name}}, "metric": metric}
        for name in ("wireflow-images-dead-letters", "wireflow-images-requests")
    )
    assert matches(threshold["filter"], kept)
    assert not matches(threshold["filter"], pushed)
    assert (threshold["comparison"], threshold["threshold_value"]) == ("COMPARISON_GT", 0)
    assert "google_monitoring_alert_policy.dead_letters[0]" not in {item.address for item in smallest.resources}


def charts(state: State) -> dict[str, list[str]]:
    """Title of each chart → the filters of its lines."""
    (dashboard,) = state.all("google_monitoring_dashboard")
    widgets = json.loads(dashboard.values["dashboard_json"])["gridLayout"]["widgets"]
    return {
        widget["title"]: [
            line["timeSeriesQuery"]["timeSeriesFilter"]["filter"] for line in widget["xyChart"]["dataSets"]
        ]
        for widget in widgets
    }


def test_the_dashboard_shows_what_is_promised(deployment: State) -> None:
    shown = " ".join(charts(deployment)).lower()
    promised = (
        "accepted",
        "running",
        "stored",
        "failed",
        "oldest due",
        "queue length",
        "5xx",
        "latency",
        "today",
    )
    assert [word for word in promised if word not in shown] == []


def test_the_dashboard_shows_metrics_that_there_are(deployment: State) -> None:
    queries = [query for lines in charts(deployment).values() for query in lines]
    ours = {name for query in queries for name in re.findall(r'"logging.googleapis.com/user/([^"]+)"', query)}
    assert ours == {item.values["name"] for item in deployment.all("google_logging_metric")}
    deps = {name for query in queries for name in re.findall(r'service_name="([^"]+)"', query)}
    assert deps == {deployment.function(name).values["name"] for name in FUNCTIONS}


def test_a_gauge_is_taken_from_the_field_that_its_filter_asks_for(deployment: State) -> None:
    for metric in deployment.all("google_logging_metric"):
        if extractor := metric.values["value_extractor"]:
            (field,) = re.findall(r"^EXTRACT\((jsonPayload\.\w+)\)$", extractor)
            assert f"{field}>=0" in metric.values["filter"]


def test_the_budget_is_there_if_it_was_asked_for(smallest: State, largest: State) -> None:
    assert smallest.all("google_billing_budget") == []
    (budget,) = largest.all("google_billing_budget")
    assert budget.values["amount"][0]["specified_amount"][0]["units"] == "20"
    assert budget.values["budget_filter"][0]["projects"] == ["projects/123456789012"]
    assert [rule["threshold_percent"] for rule in budget.values["threshold_rules"]] == [0.5, 0.9, 1]
    assert len(budget.values["all_updates_rule"][0]["monitoring_notification_channels"]) == 5
