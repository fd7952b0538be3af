"""What the functions are told: every setting that shared/config.py reads, and no other."""

import ast
import json
import re

import pytest

from shared.config import OnUnknown
from shared.locations import Location
from shared.spending.budget import CallerLimits, SpendLimits
from shared.spending.gate_state import Limits
from shared.workflows import parse_models
from tests.terraform.environment import load
from tests.terraform.mocked import FUNCTIONS, ROOT, Resource, State

# Cloud Run's own name, and what only local runs may have.
NOT_GIVEN = {
    "K_SERVICE",
    "ALLOW_PRIVATE_NETWORK",
    "CALLBACK_HOSTS",
    "FIRESTORE_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "GOOGLE_CERTS_URL",
    "TURNSTILE_VERIFY_URL",
}
ALWAYS = {
    "JOBS_URL",
    "IMAGES_URL",
    "PUBLIC_URL",
    "WIREFLOW_WEBHOOK_ID",
    "WIREFLOW_API_KEY",
    "LOG_EXECUTION_ID",
    "WAKE_UP_QUEUE",
    "WAKE_UP_URL",
    "WAKE_UP_ACCOUNT",
}
# Who may come in, and the page for people: the trigger's business alone.
AUTH = {
    "TRIGGER_PUBLIC",
    "TRIGGER_TOKENS",
    "TRIGGER_SIGNING_SECRETS",
    "CALLBACK_SIGNING_SECRETS_SHA256",
    "TURNSTILE_SECRET",
    "TURNSTILE_SITE_KEY",
    "PLAYGROUND",
    "FORM_PER_MINUTE",
    "FORM_PER_HOUR",
    "FORM_REQUIRE_TOKEN",
    "TRUSTED_PROXIES",
    "EVENT_SERVICE_ACCOUNT",
    "EVENT_AUDIENCE",
}
# What signs messages: the poller's business alone.
POLLERS = {"CALLBACK_SIGNING_SECRETS", "TRIGGER_SIGNING_SECRETS_SHA256"}
OWN_ADDRESS = "https://wireflow-images-trigger-123456789012.us-central1.run.app"


SPENDING = SpendLimits(
    per_day=25_000_000,
    per_month=300_000_000,
    per_10_minutes=2_500_000,
    callers={
        "zap": CallerLimits(per_day=100, spend_per_day=5_000_000, max_queued=50),
        "shop": CallerLimits(spend_per_month=20_000_000),
    },
    lowest=100_000,
    highest=100_000,
)


def settings() -> set[str]:
    """Every environment variable that shared/config.py names."""
    tree = ast.parse((ROOT / "shared/config.py").read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|PLAYGROUND", text)}


def names(function: Resource) -> list[str]:
    """The environment variables of a function, the secret ones among them."""
    secret = [item["key"] for item in function.service["secret_environment_variables"]]
    return sorted([*function.service["environment_variables"], *secret])


def test_with_every_option_on_a_function_is_given_what_it_reads(largest: State) -> None:
    everything = (settings() - NOT_GIVEN) | {"LOG_EXECUTION_ID"}
    assert names(largest.function("trigger")) == sorted(everything - POLLERS)
    assert names(largest.function("poller")) == sorted(everything - AUTH)


def test_an_option_that_is_off_leaves_its_name_out(smallest: State) -> None:
    assert names(smallest.function("trigger")) == sorted(ALWAYS | {"TRIGGER_PUBLIC"})
    assert names(smallest.function("poller")) == sorted(ALWAYS)


def test_both_functions_are_told_the_same_but_who_may_come_in(deployment: State) -> None:
    trigger, poller = (deployment.function(name).service["environment_variables"] for name in FUNCTIONS)
    assert {name: value for name, value in trigger.items() if name not in AUTH} == poller


def test_the_platform_is_kept_from_replacing_the_loggers(deployment: State) -> None:
    assert deployment.function("trigger").service["environment_variables"]["LOG_EXECUTION_ID"] == "false"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_understands_the_smallest_environment(smallest: State, name: str) -> None:
    understood = load(smallest.function(name))
    assert understood.jobs == Location("firestore", "example-project", "(default)")
    assert understood.images == Location("gs", "example-project-wireflow-images", "")
    assert understood.public_url == OWN_ADDRESS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_understands_the_largest_environment(largest: State, name: str) -> None:
    understood = load(largest.function(name))
    assert understood.jobs == Location("firestore", "example-project", "jobs")
    assert understood.limits == Limits(per_minute=0, per_day=500, at_once=6, spending=SPENDING)
    assert understood.usd_per_credit == 20_000
    assert understood.on_unknown is OnUnknown.HOLD
    assert understood.max_image_bytes == 100 * 1024 * 1024
    assert (understood.poll_window, understood.poll_idle_exit, understood.max_queue_hours) == (50, 1, 0.5)
    assert understood.max_queued_jobs == 500
    assert understood.image_hosts == ("cdn.wireflow.ai", "localhost:8090")
    assert understood.public_url == "https://images.example.com"
    assert understood.playground is (name == "trigger")
    assert understood.auth.origins == ("https://example.com", "http://localhost:3000")


def test_the_trigger_understands_its_authentication(largest: State) -> None:
    auth = load(largest.function("trigger")).auth
    assert [token.name for token in auth.tokens] == ["zap"]
    assert [secret.name for secret in auth.signing_secrets] == ["shop"]
    assert (auth.form_per_minute, auth.form_per_hour, auth.form_token_required) == (2, 0, True)
    assert (auth.event_account, auth.event_audience) == (
        "theirs@example-project.iam.gserviceaccount.com",
        "https://events.example.com",
    )
    assert (auth.turnstile_secret, auth.turnstile_site_key) == ("word", "0x4AAAAAAA")
    assert (auth.trusted_proxies, auth.public) == (1, True)


def test_a_private_trigger_is_told_so(smallest: State) -> None:
    auth = load(smallest.function("trigger")).auth
    assert (auth.public, auth.configured) == (False, False)


def test_models_are_told_as_json(largest: State) -> None:
    told = largest.function("poller").service["environment_variables"]["WIREFLOW_MODELS"]
    assert json.loads(told) == {
        "dream": ["1K", "2K"],
        "reverie": {"resolutions": [], "aspectRatios": ["1:8"], "inputImages": 3},
    }
    assert parse_models(told)["reverie"].input_images == 3


def test_a_database_that_was_there_is_used_and_left_as_it_is(existing_database: State) -> None:
    assert load(existing_database.function("poller")).jobs == Location("firestore", "example-project", "theirs")
    assert existing_database.all("google_firestore_database") == []
    assert existing_database.all("google_firebaserules_release") == []
