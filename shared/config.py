"""The settings, read once from the environment; everything that is wrong with them is said in one message.

Each name is a string literal here and nowhere else in the product. shared/README.md has a table of them.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from shared.auth_settings import AuthSettings, parse_origins, parse_signing_secrets, parse_tokens
from shared.spending.gate import Limits
from shared.workflows import DEFAULT, Mode, Workflow, parse_models, parse_workflows

T = TypeVar("T")

# https://www.wireflow.ai/docs/api: requests a minute, executions a minute, executions a day (0: no limit).
PLANS = {
    "free": (10, 10, 50),
    "starter": (20, 10, 200),
    "pro": (60, 10, 1_000),
    "enterprise": (200, 10, 0),
}
IMAGE_HOSTS = (
    "cdn.wireflow.ai,cdn.atomu.ai,fal.media,replicate.delivery,storage.googleapis.com,"
    "oaidalleapiprodscus.blob.core.windows.net"
)


class ConfigurationError(Exception):
    """The settings do not do; `faults` has a line for each that is missing or wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The configuration is wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


class OnUnknown(StrEnum):
    """What becomes of a paid call whose outcome nobody knows."""

    RETRY = "retry"  # sent once more with the same key, and marked
    HOLD = "hold"  # left to a person


@dataclass(frozen=True, slots=True)
class Location:
    """Where things live: `firestore://PROJECT/DATABASE`, `sqlite:///PATH`, `gs://BUCKET/PREFIX`, `file:///PATH`."""

    scheme: str
    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. Durations are seconds unless the name says otherwise."""

    wireflow_base_url: str
    webhook_id: str = field(repr=False)
    api_key: str = field(repr=False)
    limits: Limits
    requests_per_minute: int
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
    retention_days: float
    image_hosts: tuple[str, ...]
    allow_private_network: bool
    storage_emulator: str | None
    workflows: tuple[Workflow, ...]
    auth: AuthSettings

    def workflow(self, name: str) -> Workflow | None:
        """The workflow of this name, if there is one."""
        return next((workflow for workflow in self.workflows if workflow.name == name), None)


def load(environ: Mapping[str, str]) -> Config:
    """The settings of `environ`; ConfigurationError names every fault."""
    read = _Reader(environ)
    private = read.value("ALLOW_PRIVATE_NETWORK", _flag, False)
    if private and read.text("K_SERVICE"):
        read.faults.append("ALLOW_PRIVATE_NETWORK: is for local runs only; remove it on Cloud Run")
    requests, per_minute, per_day = read.value("WIREFLOW_PLAN", _plan, PLANS["free"])
    limits = Limits(
        per_minute=read.value("EXECUTIONS_PER_MINUTE", _count, per_minute),
        per_day=read.value("DAILY_EXECUTIONS", _count, per_day),
    )
    webhook_id = read.required("WIREFLOW_WEBHOOK_ID", _webhook_id, "")
    config = Config(
        wireflow_base_url=read.value(
            "WIREFLOW_BASE_URL", lambda text: _base_url(text, private), "https://www.wireflow.ai/api/v1"
        ),
        webhook_id=webhook_id,
        api_key=read.required("WIREFLOW_API_KEY", _one_word, ""),
        limits=limits,
        requests_per_minute=requests if limits.per_minute else 0,
        on_unknown=read.value("ON_UNKNOWN", _on_unknown, OnUnknown.RETRY),
        jobs=read.required("JOBS_URL", _jobs_location, _NOWHERE),
        images=read.required("IMAGES_URL", _images_location, _NOWHERE),
        public_url=read.value("PUBLIC_URL", _public_url, None),
        poll_window=read.value("POLL_WINDOW_SECONDS", _within(0, 3_600), 55.0),
        poll_idle_exit=read.value("POLL_IDLE_EXIT_SECONDS", _within(0, 3_600), 5.0),
        lease=read.value("LEASE_SECONDS", _within(20, 3_600), 60.0),
        run_deadline=read.value("RUN_DEADLINE_SECONDS", _within(0.001, 604_800), 1200.0),
        max_image_bytes=read.value("MAX_IMAGE_BYTES", _size, 50 * 1024 * 1024),
        max_queue_hours=read.value("MAX_QUEUE_HOURS", _within(0.0001, 8_760), 72.0),
        retention_days=read.value("RETENTION_DAYS", _within(0.001, 36_500), 90.0),
        image_hosts=read.value("IMAGE_HOSTS", _hosts, _hosts(IMAGE_HOSTS)),
        allow_private_network=private,
        storage_emulator=read.text("STORAGE_EMULATOR_HOST") or None,
        workflows=_workflows(read, webhook_id),
        auth=_auth(read, private=private),
    )
    if read.faults:
        raise ConfigurationError(read.faults)
    return config


def _workflows(read: "_Reader", webhook_id: str) -> tuple[Workflow, ...]:
    """Those of the setting, and "default", which is the webhook unless the setting says otherwise."""
    models = read.value("WIREFLOW_MODELS", parse_models, parse_models("{}"))
    nothing: tuple[Workflow, ...] = ()
    named = read.value("WIREFLOW_WORKFLOWS", lambda text: parse_workflows(text, models), nothing)
    if any(workflow.name == DEFAULT for workflow in named):
        return named
    return (Workflow(name=DEFAULT, mode=Mode.WEBHOOK, id=webhook_id), *named)


def _auth(read: "_Reader", *, private: bool) -> AuthSettings:
    known = AuthSettings()
    auth = AuthSettings(
        tokens=read.value("TRIGGER_TOKENS", parse_tokens, ()),
        signing_secrets=read.value("TRIGGER_SIGNING_SECRETS", parse_signing_secrets, ()),
        event_account=read.value("EVENT_SERVICE_ACCOUNT", _one_word, None),
        event_audience=read.value("EVENT_AUDIENCE", _one_word, None),
        origins=read.value("FORM_ORIGINS", parse_origins, ()),
        form_per_minute=read.value("FORM_PER_MINUTE", _count, known.form_per_minute),
        form_per_hour=read.value("FORM_PER_HOUR", _count, known.form_per_hour),
        form_token_required=read.value("FORM_REQUIRE_TOKEN", _flag, False),
        turnstile_secret=read.value("TURNSTILE_SECRET", _one_word, None),
        turnstile_url=read.value("TURNSTILE_VERIFY_URL", _elsewhere(known.turnstile_url, private), known.turnstile_url),
        certs_url=read.value("GOOGLE_CERTS_URL", _elsewhere(known.certs_url, private), known.certs_url),
        public=read.value("TRIGGER_PUBLIC", _flag, None),
        trusted_proxies=read.value("TRUSTED_PROXIES", _count, 0),
        on_cloud_run=bool(read.text("K_SERVICE")),
    )
    read.faults.extend(_auth_faults(auth))
    return auth


def _auth_faults(auth: AuthSettings) -> list[str]:
    """What does not go together."""
    faults = []
    if auth.event_account and not auth.event_audience:
        faults.append("EVENT_AUDIENCE: is required with EVENT_SERVICE_ACCOUNT; it is the address that events come to")
    if auth.event_audience and not auth.event_account:
        faults.append("EVENT_SERVICE_ACCOUNT: is required with EVENT_AUDIENCE; it is the account that sends events")
    if auth.public and not auth.configured:
        faults.append(
            "TRIGGER_PUBLIC: anyone could spend; set TRIGGER_TOKENS, TRIGGER_SIGNING_SECRETS, EVENT_SERVICE_ACCOUNT "
            "or FORM_ORIGINS, or make the deployment private"
        )
    return faults


class _Reader:
    """Reads settings and collects what is wrong with them, so that one start shows all of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        """The setting without what a copy and paste leaves around it; empty is as good as unset."""
        return self.environ.get(name, "").strip(" \t\r\n\"'")

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(f"{name}: {error}")
            return default

    def required(self, name: str, parse: Callable[[str], T], stand_in: T) -> T:
        if not self.text(name):
            self.faults.append(f"{name}: is required")
        return self.value(name, parse, stand_in)


_NOWHERE = Location("", "", "")
_HOST = re.compile(r"([a-z0-9_-]+\.)*[a-z0-9_-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?")


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _one_word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one word of visible ASCII characters")
    return text


def _elsewhere(usual: str, private: bool) -> Callable[[str], str]:
    """An address that only tests change."""

    def parse(text: str) -> str:
        if text != usual and not private:
            raise ValueError("may be changed only with ALLOW_PRIVATE_NETWORK=true")
        return _web_address(text)

    return parse


def _plan(text: str) -> tuple[int, int, int]:
    if text.lower() not in PLANS:
        raise ValueError("must be one of " + ", ".join(PLANS))
    return PLANS[text.lower()]


def _on_unknown(text: str) -> OnUnknown:
    if text.lower() not in set(OnUnknown):
        raise ValueError("must be retry or hold")
    return OnUnknown(text.lower())


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def _within(least: float, most: float) -> Callable[[str], float]:
    """A number of that range; whatever the unit, ten years are more than anybody means."""

    def parse(text: str) -> float:
        if not least <= (number := _number(text)) <= most:
            raise ValueError(f"must be a number from {least:g} to {most:g}")
        return number

    return parse


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("must be a whole number; 0 means no limit")
    return int(text)


def _size(text: str) -> int:
    if not _count(text):
        raise ValueError("must be a number of bytes greater than 0")
    return int(text)


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts or not all(_HOST.fullmatch(host) and _has_port(f"//{host}") for host in hosts):
        raise ValueError("must be hosts or host:port, separated by commas, without scheme, path or *")
    return hosts


def _has_port(address: str) -> bool:
    """Whether the port, if there is one, is one."""
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False


def _base_url(text: str, private: bool) -> str:
    if urlsplit(text).scheme != "https" and not private:
        raise ValueError("must begin with https:// (http only with ALLOW_PRIVATE_NETWORK=true)")
    return _web_address(text)


def _public_url(text: str) -> str | None:
    return _web_address(text)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    odd = parts.query or parts.fragment or not text.isascii() or " " in text or not _has_port(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or odd:
        raise ValueError("must be an http(s) address without query or fragment")
    return text.rstrip("/")


def _webhook_id(text: str) -> str:
    if "/" in text or not text.strip(".") or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be the id alone, the part of the webhook's address between /workflow/ and /trigger")
    return text


def _jobs_location(text: str) -> Location:
    parts = urlsplit(text)
    path = unquote(parts.path[1:])
    if parts.scheme == "firestore" and parts.netloc and path and "/" not in path:
        return Location("firestore", parts.netloc, path)
    if parts.scheme == "sqlite" and not parts.netloc and path:
        return Location("sqlite", "", path)
    raise ValueError("must be firestore://PROJECT/DATABASE or sqlite:///PATH")


def _images_location(text: str) -> Location:
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.scheme == "gs" and parts.netloc:
        return Location("gs", parts.netloc, path.strip("/"))
    if parts.scheme == "file" and not parts.netloc and path.strip("/"):
        return Location("file", "", path)
    raise ValueError("must be gs://BUCKET/PREFIX or file:///ABSOLUTE/PATH")
