"""The settings, read once from the environment. One error names every fault.

Each name is a string literal here and nowhere else in the product. shared/README.md has a table of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from shared.auth_settings import AuthSettings, parse_origins, parse_signing_secrets, parse_tokens
from shared.callback_settings import CallbackSettings, digests_of, parse_callback_secrets, parse_digests
from shared.locations import NO_LOCATION, Location, images_location, jobs_location
from shared.setting_values import (
    ascii_word,
    base_url,
    count,
    flag,
    hosts,
    http_url,
    number_between,
    size,
    test_only_url,
    webhook_name,
)
from shared.spending.budget import SpendLimits
from shared.spending.gate_state import Limits
from shared.spending.money import micros
from shared.spending_settings import parse_caller_limits, parse_dollars, with_prices
from shared.wake_up_settings import WakeUpSettings, parse_queue
from shared.workflows import DEFAULT, Mode, Workflow, parse_models, parse_workflows

T = TypeVar("T")

# https://www.wireflow.ai/docs/api: requests per minute, executions per minute, executions per day (0: no limit).
PLANS = {
    "free": (10, 10, 50),
    "starter": (20, 10, 200),
    "pro": (60, 10, 1_000),
    "enterprise": (200, 10, 0),
}
MAX_PER_MINUTE = 10_000  # executions
STARTS_AT_ONCE = 10  # one in so many of a minute's requests is kept free for starts on arrival
MAX_COPY_TIME = timedelta(hours=24)  # of images that are paid for
BASE_URL = "https://www.wireflow.ai/api/v1"
IMAGE_HOSTS = (
    "cdn.wireflow.ai,cdn.atomu.ai,fal.media,replicate.delivery,storage.googleapis.com,"
    "oaidalleapiprodscus.blob.core.windows.net"
)


class ConfigurationError(Exception):
    """The configuration is invalid; `faults` has one line for each missing or invalid setting."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("Invalid configuration:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


class OnUnknown(StrEnum):
    """What to do after a paid call with an unknown outcome."""

    RETRY = "retry"  # retry it once with the same key, and mark the job as a possible duplicate
    HOLD = "hold"  # fail the job, and let a person decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. Durations are in seconds unless the name has another unit."""

    wireflow_base_url: str
    webhook_id: str = field(repr=False)
    api_key: str = field(repr=False)
    limits: Limits
    requests_per_minute: int
    usd_per_credit: int  # micro-dollars
    on_unknown: OnUnknown
    jobs: Location
    images: Location
    public_url: str | None
    poll_window: float
    poll_idle_exit: float
    lease: float
    run_deadline: float
    max_image_bytes: int
    max_queue_hours: float
    max_queued_jobs: int
    retention_days: float
    image_hosts: tuple[str, ...]
    allow_private_network: bool
    storage_emulator: str | None
    workflows: tuple[Workflow, ...]
    auth: AuthSettings
    playground: bool  # whether GET / is a page that makes images
    callbacks: CallbackSettings
    wake_up: WakeUpSettings | None

    def workflow(self, name: str) -> Workflow | None:
        """Return the workflow with this name, or None."""
        return next((workflow for workflow in self.workflows if workflow.name == name), None)


def load(environ: Mapping[str, str]) -> Config:
    """Return the settings in `environ`; raise ConfigurationError with every fault."""
    read = _SettingReader(environ)
    private = _allow_private_network(read)
    webhook_id = read.required("WIREFLOW_WEBHOOK_ID", webhook_name, "")
    workflows = _workflows(read, webhook_id)
    limits, requests_per_minute = _limits(read, workflows)
    config = Config(
        wireflow_base_url=read.value("WIREFLOW_BASE_URL", lambda text: base_url(text, private), BASE_URL),
        webhook_id=webhook_id,
        api_key=read.required("WIREFLOW_API_KEY", ascii_word, ""),
        limits=limits,
        requests_per_minute=requests_per_minute,
        usd_per_credit=micros(read.value("USD_PER_CREDIT", number_between(0.0001, 1_000), 0.01)),
        on_unknown=read.value("ON_UNKNOWN", _on_unknown, OnUnknown.RETRY),
        jobs=read.required("JOBS_URL", jobs_location, NO_LOCATION),
        images=read.required("IMAGES_URL", images_location, NO_LOCATION),
        public_url=read.value("PUBLIC_URL", http_url, None),
        poll_window=read.value("POLL_WINDOW_SECONDS", number_between(0, 3_600), 55.0),
        poll_idle_exit=read.value("POLL_IDLE_EXIT_SECONDS", number_between(0, 3_600), 5.0),
        lease=read.value("LEASE_SECONDS", number_between(20, 3_600), 60.0),
        run_deadline=read.value("RUN_DEADLINE_SECONDS", number_between(0.001, 604_800), 1200.0),
        max_image_bytes=read.value("MAX_IMAGE_BYTES", size, 50 * 1024 * 1024),
        max_queue_hours=read.value("MAX_QUEUE_HOURS", number_between(0.0001, 8_760), 72.0),
        max_queued_jobs=read.value("MAX_QUEUED_JOBS", count, 10_000),
        retention_days=read.value("RETENTION_DAYS", number_between(0.001, 36_500), 90.0),
        image_hosts=read.value("IMAGE_HOSTS", hosts, hosts(IMAGE_HOSTS)),
        allow_private_network=private,
        storage_emulator=read.text("STORAGE_EMULATOR_HOST") or None,
        workflows=workflows,
        auth=_auth(read, private=private),
        playground=read.value("PLAYGROUND", flag, False),
        callbacks=_callbacks(read),
        wake_up=_wake_up(read),
    )
    read.faults.extend(_retention_faults(config))
    read.faults.extend(_shared_secret_faults(read, config))
    if read.faults:
        raise ConfigurationError(read.faults)
    return config


def _retention_faults(config: Config) -> list[str]:
    """A job must not expire while it may still be queued, run, or be copied."""
    longest = timedelta(hours=config.max_queue_hours, seconds=config.run_deadline) + MAX_COPY_TIME
    if longest <= timedelta(days=config.retention_days):
        return []
    return [
        f"RETENTION_DAYS: must be at least {math.ceil(longest / timedelta(days=1))}, or jobs could expire early: "
        "they may take MAX_QUEUE_HOURS in the queue, RUN_DEADLINE_SECONDS to run, and 24 hours to be copied"
    ]


def _allow_private_network(read: "_SettingReader") -> bool:
    private = read.value("ALLOW_PRIVATE_NETWORK", flag, False)
    if private and read.text("K_SERVICE"):
        read.faults.append("ALLOW_PRIVATE_NETWORK: is only allowed for local runs; remove it on Cloud Run")
    return private


def _workflows(read: "_SettingReader", webhook_id: str) -> tuple[Workflow, ...]:
    """Return the configured workflows, with the webhook as "default" unless one of them has that name."""
    models = read.value("WIREFLOW_MODELS", parse_models, parse_models("{}"))
    none: tuple[Workflow, ...] = ()
    configured = read.value("WIREFLOW_WORKFLOWS", lambda text: parse_workflows(text, models), none)
    if any(workflow.name == DEFAULT for workflow in configured):
        return configured
    return (Workflow(name=DEFAULT, mode=Mode.WEBHOOK, id=webhook_id), *configured)


def _limits(read: "_SettingReader", workflows: Sequence[Workflow]) -> tuple[Limits, int]:
    """Return the limits, and the requests per minute (0: no limit). The plan has the defaults."""
    requests, per_minute, per_day = read.value("WIREFLOW_PLAN", _plan, PLANS["free"])
    limits = Limits(
        per_minute=read.value("EXECUTIONS_PER_MINUTE", _per_minute, per_minute),
        per_day=read.value("DAILY_EXECUTIONS", count, per_day),
        spending=_spend_limits(read, workflows),
        at_once=max(requests // STARTS_AT_ONCE, 1),
    )
    return limits, requests if limits.per_minute else 0


def _spend_limits(read: "_SettingReader", workflows: Sequence[Workflow]) -> SpendLimits:
    limits = SpendLimits(
        per_day=read.value("DAILY_SPEND_USD", parse_dollars, 0),
        per_month=read.value("MONTHLY_SPEND_USD", parse_dollars, 0),
        per_10_minutes=read.value("SPEND_PER_10_MINUTES_USD", parse_dollars, 0),
        callers=read.value("CALLER_LIMITS", parse_caller_limits, {}),
    )
    priced, faults = with_prices(limits, workflows)
    read.faults.extend(faults)
    return priced


def _wake_up(read: "_SettingReader") -> WakeUpSettings | None:
    """Return the settings of the wake-ups: all of them, or none."""
    queue = read.value("WAKE_UP_QUEUE", parse_queue, "")
    url, account = read.value("WAKE_UP_URL", http_url, ""), read.value("WAKE_UP_ACCOUNT", ascii_word, "")
    names = ("WAKE_UP_QUEUE", "WAKE_UP_URL", "WAKE_UP_ACCOUNT")
    missing = [name for name in names if not read.text(name)]
    if len(missing) == len(names):
        return None
    read.faults.extend(f"{name}: is required with the other settings WAKE_UP_*" for name in missing)
    return WakeUpSettings(queue=queue, url=url, account=account)


def _auth(read: "_SettingReader", *, private: bool) -> AuthSettings:
    default = AuthSettings()
    turnstile_url, certs_url = default.turnstile_url, default.certs_url
    auth = AuthSettings(
        tokens=read.value("TRIGGER_TOKENS", parse_tokens, ()),
        signing_secrets=read.value("TRIGGER_SIGNING_SECRETS", parse_signing_secrets, ()),
        event_account=read.value("EVENT_SERVICE_ACCOUNT", ascii_word, None),
        event_audience=read.value("EVENT_AUDIENCE", ascii_word, None),
        origins=read.value("FORM_ORIGINS", parse_origins, ()),
        form_per_minute=read.value("FORM_PER_MINUTE", count, default.form_per_minute),
        form_per_hour=read.value("FORM_PER_HOUR", count, default.form_per_hour),
        form_token_required=read.value("FORM_REQUIRE_TOKEN", flag, False),
        turnstile_secret=read.value("TURNSTILE_SECRET", ascii_word, None),
        turnstile_site_key=read.value("TURNSTILE_SITE_KEY", ascii_word, None),
        turnstile_url=read.value("TURNSTILE_VERIFY_URL", test_only_url(turnstile_url, private), turnstile_url),
        certs_url=read.value("GOOGLE_CERTS_URL", test_only_url(certs_url, private), certs_url),
        public=read.value("TRIGGER_PUBLIC", flag, None),
        trusted_proxies=read.value("TRUSTED_PROXIES", count, 0),
        on_cloud_run=bool(read.text("K_SERVICE")),
    )
    read.faults.extend(_auth_faults(auth))
    return auth


def _callbacks(read: "_SettingReader") -> CallbackSettings:
    none: tuple[str, ...] = ()
    return CallbackSettings(
        hosts=read.value("CALLBACK_HOSTS", hosts, none),
        secrets=read.value("CALLBACK_SIGNING_SECRETS", parse_callback_secrets, {}),
    )


def _shared_secret_faults(read: "_SettingReader", config: Config) -> list[str]:
    """No secret may sign both requests and messages. Each function knows the other's secrets by their SHA-256."""
    requests = digests_of(secret for signer in config.auth.signing_secrets for secret in signer.secrets)
    messages = digests_of(secret for secrets in config.callbacks.secrets.values() for secret in secrets)
    none: frozenset[str] = frozenset()
    requests |= read.value("TRIGGER_SIGNING_SECRETS_SHA256", parse_digests, none)
    messages |= read.value("CALLBACK_SIGNING_SECRETS_SHA256", parse_digests, none)
    if not requests & messages:
        return []
    return [
        "CALLBACK_SIGNING_SECRETS: has a secret that is also in TRIGGER_SIGNING_SECRETS, so that a receiver could send "
        "a message back as a signed request; create a secret of its own for each of them"
    ]


def _auth_faults(auth: AuthSettings) -> list[str]:
    """Return the faults of settings that depend on each other."""
    faults = []
    if auth.event_account and not auth.event_audience:
        faults.append("EVENT_AUDIENCE: is required with EVENT_SERVICE_ACCOUNT; set it to the URL that receives events")
    if auth.event_audience and not auth.event_account:
        faults.append("EVENT_SERVICE_ACCOUNT: is required with EVENT_AUDIENCE; set it to the account that sends events")
    if auth.public and not auth.configured:
        faults.append(
            "TRIGGER_PUBLIC: no authentication is configured, so anyone could spend credits; set TRIGGER_TOKENS, "
            "TRIGGER_SIGNING_SECRETS, EVENT_SERVICE_ACCOUNT, or FORM_ORIGINS, or make the deployment private"
        )
    return faults


class _SettingReader:
    """Reads settings and collects their faults, so that one start reports all of them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        """Return the setting without surrounding whitespace and quotes; empty means unset."""
        return self.environ.get(name, "").strip(" \t\r\n\"'")

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed setting, or the default if it is unset or invalid."""
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(f"{name}: {error}")
            return default

    def required(self, name: str, parse: Callable[[str], T], placeholder: T) -> T:
        """Return the parsed setting; add a fault if it is unset."""
        if not self.text(name):
            self.faults.append(f"{name}: is required")
        return self.value(name, parse, placeholder)


def _per_minute(text: str) -> int:
    """The starts of a minute are stored in the gate's document, one by one."""
    if (number := count(text)) > MAX_PER_MINUTE:
        raise ValueError(f"must be at most {MAX_PER_MINUTE:,}; 0 means no limit")
    return number


def _plan(text: str) -> tuple[int, int, int]:
    if text.lower() not in PLANS:
        raise ValueError("must be one of " + ", ".join(PLANS))
    return PLANS[text.lower()]


def _on_unknown(text: str) -> OnUnknown:
    if text.lower() not in set(OnUnknown):
        raise ValueError("must be retry or hold")
    return OnUnknown(text.lower())
