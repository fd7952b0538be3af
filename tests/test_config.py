"""Settings are read once; one error reports all faults and no secret."""

import ast
import re
from pathlib import Path

import pytest

from shared import config
from shared.config import ConfigurationError, OnUnknown

GOOD = {
    "WIREFLOW_WEBHOOK_ID": "hook-1",
    "WIREFLOW_API_KEY": "sk-test",
    "JOBS_URL": "sqlite:///jobs.db",
    "IMAGES_URL": "file:///tmp/images",
}


def load(**changes: str) -> config.Config:
    return config.load({**GOOD, **changes})


def faults(**changes: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(**changes)
    return caught.value.faults


def test_the_four_required_settings_are_enough():
    loaded = load()
    assert (loaded.limits.per_minute, loaded.limits.per_day, loaded.requests_per_minute) == (10, 50, 10)
    assert loaded.wireflow_base_url == "https://www.wireflow.ai/api/v1"
    assert loaded.lease == 60
    assert "cdn.wireflow.ai" in loaded.image_hosts


def test_every_fault_is_named_at_once():
    with pytest.raises(ConfigurationError) as caught:
        config.load({"LEASE_SECONDS": "5", "ON_UNKNOWN": "maybe", "EXECUTIONS_PER_MINUTE": "-1"})
    named = {fault.split(":")[0] for fault in caught.value.faults}
    assert named == {*GOOD, "LEASE_SECONDS", "ON_UNKNOWN", "EXECUTIONS_PER_MINUTE"}
    assert all(name in str(caught.value) for name in named)


def test_spaces_and_quotes_around_a_setting_are_removed():
    assert load(WIREFLOW_API_KEY=' "sk-test"\r\n').api_key == "sk-test"


def test_an_empty_setting_counts_as_unset():
    assert load(PUBLIC_URL="", MAX_QUEUE_HOURS=" ").max_queue_hours == 72


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WIREFLOW_BASE_URL", "http://www.wireflow.ai/api/v1"),
        ("WIREFLOW_BASE_URL", "www.wireflow.ai"),
        ("WIREFLOW_BASE_URL", "https://user:secret@www.wireflow.ai/api/v1"),
        ("WIREFLOW_WEBHOOK_ID", "https://www.wireflow.ai/api/v1/workflow/x/trigger"),
        ("WIREFLOW_PLAN", "gold"),
        ("DAILY_EXECUTIONS", "many"),
        ("JOBS_URL", "postgres://localhost/jobs"),
        ("JOBS_URL", "firestore://project"),
        ("IMAGES_URL", "file://relative/path"),
        ("IMAGES_URL", "gs://"),
        ("PUBLIC_URL", "example.com"),
        ("POLL_WINDOW_SECONDS", "nan"),
        ("RUN_DEADLINE_SECONDS", "0"),
        ("MAX_IMAGE_BYTES", "50MiB"),
        ("IMAGE_HOSTS", "https://cdn.wireflow.ai"),
        ("IMAGE_HOSTS", "*.wireflow.ai"),
        ("IMAGE_HOSTS", "cdn.wireflow.ai,10.0.0.256"),
        ("IMAGE_HOSTS", "[::1::2]"),
        ("CALLBACK_HOSTS", "1.2.3"),
        ("WIREFLOW_BASE_URL", "https://999.1.1.1/api/v1"),
        ("WIREFLOW_BASE_URL", "https://[::zz]/api/v1"),
        ("WIREFLOW_BASE_URL", "https://www.wireflow.ai/api\t/v1"),
        ("PUBLIC_URL", "https://images.example/a\nb"),
        ("JOBS_URL", "sqlite:///a%00b"),
        ("EXECUTIONS_PER_MINUTE", "1000000000"),
        ("DAILY_EXECUTIONS", "1" * 5_000),
        ("ALLOW_PRIVATE_NETWORK", "yes"),
    ],
)
def test_an_invalid_value_is_reported_by_name(name: str, value: str):
    assert [fault.split(":")[0] for fault in faults(**{name: value})] == [name]


def test_private_networks_are_not_allowed_on_cloud_run():
    assert faults(ALLOW_PRIVATE_NETWORK="true", K_SERVICE="trigger")[0].startswith("ALLOW_PRIVATE_NETWORK")
    assert load(ALLOW_PRIVATE_NETWORK="true", WIREFLOW_BASE_URL="http://127.0.0.1:8090/api/v1").allow_private_network


def test_the_plan_sets_the_limits_and_the_operator_may_change_them():
    assert load(WIREFLOW_PLAN="enterprise").limits.per_day == 0
    assert load(WIREFLOW_PLAN="pro", DAILY_EXECUTIONS="7").limits.per_day == 7


def test_without_a_limit_on_executions_requests_have_none():
    assert load(EXECUTIONS_PER_MINUTE="0").requests_per_minute == 0


def test_the_locations_of_the_stores_are_urls():
    jobs = load(JOBS_URL="firestore://my-project/(default)").jobs
    assert (jobs.scheme, jobs.host, jobs.path) == ("firestore", "my-project", "(default)")
    assert load(JOBS_URL="sqlite:////var/jobs.db").jobs.path == "/var/jobs.db"
    images = load(IMAGES_URL="gs://bucket/a/b").images
    assert (images.host, images.path) == ("bucket", "a/b")


def test_no_secret_is_in_the_repr_of_the_settings_or_in_a_fault():
    assert "sk-test" not in repr(load())
    assert "hook-1" not in repr(load())
    assert not any("two words" in fault for fault in faults(WIREFLOW_API_KEY="two words"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WIREFLOW_BASE_URL", "https://user:SECRET@www.wireflow.ai/api/v1"),
        ("WIREFLOW_BASE_URL", "https://user:SECRET\u2100@www.wireflow.ai/api/v1"),
        ("PUBLIC_URL", "https://user:SECRET@images.example"),
        ("FORM_ORIGINS", "https://user:SECRET@shop.example"),
        ("JOBS_URL", "firestore://user:SECRET\u2100@project/database"),
        ("IMAGES_URL", "gs://user:SECRET\u2100@bucket"),
        ("CALLER_LIMITS", '{"whsec_SECRET": {"perDay": 0}}'),
    ],
)
def test_a_fault_does_not_repeat_a_password(name: str, value: str):
    (fault,) = faults(**{name: value})
    assert (fault.startswith(f"{name}: "), "SECRET" in fault) == (True, False)


def test_on_unknown_is_retry_or_hold():
    assert load().on_unknown is OnUnknown.RETRY
    assert load(ON_UNKNOWN="hold").on_unknown is OnUnknown.HOLD


def test_every_setting_is_documented():
    tree = ast.parse(Path(config.__file__).read_text())
    literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {text for text in literals if re.fullmatch(r"[A-Z][A-Z_]{6,}", text)}
    readme = Path(config.__file__).with_name("README.md").read_text()
    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"RETENTION_DAYS": "4"},
        {"RETENTION_DAYS": "90", "MAX_QUEUE_HOURS": "2150"},
        {"RETENTION_DAYS": "7", "RUN_DEADLINE_SECONDS": "604800", "MAX_QUEUE_HOURS": "1"},
    ],
)
def test_a_job_must_not_expire_before_it_can_be_final(settings: dict[str, str]):
    (fault,) = faults(**settings)
    assert fault.startswith("RETENTION_DAYS: must be at least ")


def test_a_retention_that_covers_queue_run_and_copy_is_accepted():
    assert load(RETENTION_DAYS="5").retention_days == 5
    assert load(RETENTION_DAYS="1.1", MAX_QUEUE_HOURS="1").retention_days == 1.1
