"""The service level, the latency, and the uptime check: what their alerts measure."""

import re
from typing import Any

import pytest

from functions.trigger.responses.prefer import MAX_WAIT
from tests.terraform.logging_query import matches
from tests.terraform.mocked import FUNCTIONS, State
from tests.terraform.test_watching import entry, metric_filters

OBJECTIVE = 0.99


def policy(state: State, address: str) -> dict[str, Any]:
    """The only condition of an alert."""
    (condition,) = state.one(f"google_monitoring_alert_policy.{address}").values["conditions"]
    found: dict[str, Any] = condition
    return found


def promql_name(metric: str) -> str:
    """The name of a log-based metric: https://cloud.google.com/monitoring/promql/promql-mapping."""
    return "logging_googleapis_com:user_" + re.sub(r"\W", "_", metric)


@pytest.mark.parametrize(("name", "hours", "rate"), [("fast", 1, 14.4), ("slow", 6, 6)])
def test_the_alert_is_raised_when_the_budget_burns_that_fast(
    smallest: State, name: str, hours: int, rate: float
) -> None:
    condition = policy(smallest, f'service_level["{name}"]')["condition_prometheus_query_language"][0]
    started, on_time = (
        f'{promql_name(smallest.one(address).values["name"])}{{monitored_resource="cloud_run_revision"}}'
        for address in ('google_logging_metric.runs["started"]', 'google_logging_metric.runs["on_time"]')
    )
    all_runs = f"sum(increase({started}[{hours}h] offset 5m))"
    # A run is counted five minutes after its start; it may be on time at any moment up to now.
    late_runs = f"{all_runs} - (sum(increase({on_time}[{60 * hours + 5}m])) or vector(0))"
    share, _, enough = condition["query"].partition(" and ")
    measured, _, threshold = share.rpartition(" > ")
    assert measured == f"({late_runs}) / {all_runs}"
    assert float(threshold) == pytest.approx(rate * (1 - OBJECTIVE))
    assert enough == f"({late_runs}) >= 3"
    assert condition["disable_metric_validation"] is True  # the same apply creates the metrics


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ({"event": "job_stored", "secondsSinceStart": 300}, True),
        ({"event": "job_stored", "secondsSinceStart": 300.1}, False),
        ({"event": "job_failed", "errorCode": "moderation", "secondsSinceStart": 12}, True),
        ({"event": "job_failed", "errorCode": "invalid_request"}, False),
        ({"event": "job_failed", "errorCode": "run_failed", "secondsSinceStart": 12}, False),
    ],
)
def test_a_run_is_on_time_within_five_minutes_or_if_the_request_is_at_fault(
    smallest: State, line: dict[str, Any], counted: bool
) -> None:
    poller = smallest.function("poller").values["name"]
    assert matches(metric_filters(smallest)["on_time"], entry({"severity": "INFO", **line}, poller)) is counted


def test_the_trigger_is_slow_when_requests_take_longer_than_any_caller_asks_them_to(deployment: State) -> None:
    threshold = policy(deployment, "latency")["condition_threshold"][0]
    trigger, poller = (deployment.function(name).values["name"] for name in FUNCTIONS)

    def point(service: str) -> dict[str, Any]:
        resource = {"type": "cloud_run_revision", "labels": {"service_name": service}}
        return {"resource": resource, "metric": {"type": "run.googleapis.com/request_latencies"}}

    assert matches(threshold["filter"], point(trigger))
    assert not matches(threshold["filter"], point(poller))
    assert (
        1000 * MAX_WAIT
        < threshold["threshold_value"]
        < 1000 * deployment.function("trigger").service["timeout_seconds"]
    )


def test_a_single_5xx_raises_no_alarm_and_three_in_ten_minutes_do(deployment: State) -> None:
    conditions = deployment.one("google_monitoring_alert_policy.server_errors").values["conditions"]
    for condition in conditions:
        threshold = condition["condition_threshold"][0]
        assert (threshold["comparison"], threshold["threshold_value"]) == ("COMPARISON_GT", 2)
        assert threshold["aggregations"][0]["alignment_period"] == "600s"


def test_the_uptime_check_asks_for_the_health_of_the_public_url(smallest: State, largest: State) -> None:
    hosts = ("wireflow-images-trigger-123456789012.us-central1.run.app", "images.example.com")
    for state, host in zip((smallest, largest), hosts, strict=True):
        check = state.one("google_monitoring_uptime_check_config.trigger[0]").values
        http = check["http_check"][0]
        assert check["monitored_resource"] == [
            {"type": "uptime_url", "labels": {"project_id": "example-project", "host": host}}
        ]
        assert (http["path"], http["port"], http["use_ssl"], http["validate_ssl"]) == ("/health", 443, True, True)


def test_the_uptime_check_of_a_private_trigger_alone_has_an_identity(deployment: State) -> None:
    check = deployment.one("google_monitoring_uptime_check_config.trigger[0]").values["http_check"][0]
    private = deployment.function("trigger").service["environment_variables"]["TRIGGER_PUBLIC"] == "false"
    assert check["service_agent_authentication"] == ([{"type": "OIDC_TOKEN"}] if private else [])
    granted = [item.address for item in deployment.resources if item.name == "uptime_invoker"]
    assert bool(granted) is private


def test_a_failed_uptime_check_raises_the_alarm(deployment: State) -> None:
    threshold = policy(deployment, "uptime[0]")["condition_threshold"][0]
    check = deployment.one("google_monitoring_uptime_check_config.trigger[0]").values["uptime_check_id"]

    def point(name: str) -> dict[str, Any]:
        metric = {"type": "monitoring.googleapis.com/uptime_check/check_passed", "labels": {"check_id": name}}
        return {"resource": {"type": "uptime_url"}, "metric": metric}

    assert matches(threshold["filter"], point(check))
    assert not matches(threshold["filter"], point("another"))


def test_nothing_outside_checks_an_internal_trigger(internal: State) -> None:
    assert internal.function("trigger").service["ingress_settings"] == "ALLOW_INTERNAL_ONLY"
    assert internal.all("google_monitoring_uptime_check_config") == []
    assert [item.address for item in internal.resources if "uptime" in item.address] == []
