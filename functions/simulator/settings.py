"""The simulator's settings: read once from the environment, every fault in them named in one message."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

S = TypeVar("S", bound="Settings")


class Style(StrEnum):
    """How answers are wrapped; the vendor publishes all three."""

    FLAT = "flat"  # everything at top level, upper case
    WRAPPED = "wrapped"  # under `data`, with finalOutput, nodeStates and diagnostics
    NESTED = "nested"  # under `data`, in executionRuns, lower case


class Plan(StrEnum):
    """The vendor's plans; each has its limits in limits.py."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Settings:
    """What the simulator was asked to be. Seconds are seconds, bytes are bytes."""

    state: Path | None = None
    run_seconds: tuple[float, float] = (15.0, 15.0)
    honour_keys: bool = True
    plan: Plan | None = None
    style: Style = Style.FLAT
    webhook_id: str = "demo-webhook"
    execute_id: str = "demo-execute"
    run_id: str = "demo-saved"
    api_key: str = field(default="sk-simulator", repr=False)
    cdn_url: str | None = None
    slow_seconds: float = 30.0
    large_bytes: int = 64 * 1024 * 1024
    seed: int = 1

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The settings of an environment; ValueError names every fault in it, one a line."""
        given = {name: environ[name].strip() for name in READERS if environ.get(name, "").strip()}
        return _read(cls(), given)

    def changed(self, wanted: Mapping[str, Any]) -> Self:
        """These settings with some changed while it runs, by their names in JSON (see CHANGEABLE)."""
        unknown = sorted(set(wanted) - set(CHANGEABLE))
        if unknown:
            raise ValueError(f"not a setting that can be changed: {', '.join(unknown)}")
        return _read(self, {CHANGEABLE[name]: str(value).lower() for name, value in wanted.items()})

    def seconds_of(self, execution_id: str) -> float:
        """How long this run takes: spread evenly over the asked range, and always the same for an id."""
        low, high = self.run_seconds
        digest = hashlib.sha256(f"{self.seed}/{execution_id}".encode()).digest()
        return low + (high - low) * int.from_bytes(digest[:8], "big") / 2**64


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    span = (float(low), float(high or low))
    if not 0 <= span[0] <= span[1]:
        raise ValueError("must be seconds, as 15 or 10-20")
    return span


def _plan(text: str) -> Plan | None:
    return None if text.lower() == "none" else Plan(text.lower())


# name in the environment: (field, how it is read)
READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "SIMULATOR_STATE": ("state", Path),
    "SIMULATOR_RUN_SECONDS": ("run_seconds", _span),
    "SIMULATOR_HONOUR_KEYS": ("honour_keys", _truth),
    "SIMULATOR_PLAN": ("plan", _plan),
    "SIMULATOR_STYLE": ("style", Style),
    "SIMULATOR_WEBHOOK_ID": ("webhook_id", str),
    "SIMULATOR_EXECUTE_ID": ("execute_id", str),
    "SIMULATOR_RUN_ID": ("run_id", str),
    "SIMULATOR_API_KEY": ("api_key", str),
    "SIMULATOR_CDN_URL": ("cdn_url", lambda text: text.rstrip("/")),
    "SIMULATOR_SLOW_SECONDS": ("slow_seconds", float),
    "SIMULATOR_LARGE_BYTES": ("large_bytes", int),
    "SIMULATOR_SEED": ("seed", int),
}

# name in POST /_settings: name in the environment
CHANGEABLE: Mapping[str, str] = {
    "runSeconds": "SIMULATOR_RUN_SECONDS",
    "honourKeys": "SIMULATOR_HONOUR_KEYS",
    "plan": "SIMULATOR_PLAN",
    "style": "SIMULATOR_STYLE",
    "slowSeconds": "SIMULATOR_SLOW_SECONDS",
    "largeBytes": "SIMULATOR_LARGE_BYTES",
}


def _read(settings: S, given: Mapping[str, str]) -> S:
    values, faults = {}, []
    for name, text in given.items():
        key, reader = READERS[name]
        try:
            values[key] = reader(text)
        except ValueError as fault:
            faults.append(f"{name}={text!r}: {fault}")
    if faults:
        raise ValueError("\n".join(faults))
    return replace(settings, **values)
