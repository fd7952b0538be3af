"""The simulator's settings, read from a mapping such as the environment; README.md explains each."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

S = TypeVar("S", bound="Settings")


class Style(StrEnum):
    """The form of response bodies; Wireflow publishes all three."""

    FLAT = "flat"  # no envelope, statuses in upper case
    WRAPPED = "wrapped"  # under `data`, with finalOutput, nodeStates and diagnostics
    NESTED = "nested"  # under `data`, in executionRuns, statuses in lower case


class Plan(StrEnum):
    """Wireflow's plans; limits.py has their limits."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Settings:
    """Settings of one simulator; times are in seconds, sizes in bytes. `state` is the path of the ledger."""

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
    credits: float | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Read SIMULATOR_* variables; ValueError names every invalid one, one a line."""
        given = {name: environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()}
        return _parse(cls(), given)

    def changed(self, wanted: Mapping[str, Any]) -> Self:
        """Return a copy with the values of POST /_settings; ValueError names every invalid one."""
        unknown = sorted(set(wanted) - set(CHANGEABLE))
        if unknown:
            raise ValueError(f"cannot be changed while the simulator runs: {', '.join(unknown)}")
        return _parse(self, {CHANGEABLE[name]: str(value).lower() for name, value in wanted.items()})

    def seconds_of(self, execution_id: str) -> float:
        """Return how long a run takes: evenly distributed over the range, and always the same for an id."""
        low, high = self.run_seconds
        digest = hashlib.sha256(f"{self.seed}/{execution_id}".encode()).digest()
        return low + (high - low) * int.from_bytes(digest[:8], "big") / 2**64


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    seconds = (float(low), float(high or low))
    if not 0 <= seconds[0] <= seconds[1]:
        raise ValueError
    return seconds


def _plan(text: str) -> Plan | None:
    return None if text.lower() == "none" else Plan(text.lower())


def _credits(text: str) -> float | None:
    if text.lower() == "none":
        return None
    if not 0 <= (credits := float(text)) < 1_000_000:
        raise ValueError
    return credits


def _expecting(expected: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return `parse` with a ValueError that says what was expected."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise ValueError(f"must be {expected}") from None

    return parsed


# Variable: the field, and how its text is parsed.
VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "SIMULATOR_STATE": ("state", Path),
    "SIMULATOR_RUN_SECONDS": ("run_seconds", _expecting("seconds such as 15 or 10-20", _range)),
    "SIMULATOR_HONOUR_KEYS": ("honour_keys", _boolean),
    "SIMULATOR_PLAN": ("plan", _expecting(f"{', '.join(Plan)}, or none", _plan)),
    "SIMULATOR_STYLE": ("style", _expecting(f"one of {', '.join(Style)}", Style)),
    "SIMULATOR_WEBHOOK_ID": ("webhook_id", str),
    "SIMULATOR_EXECUTE_ID": ("execute_id", str),
    "SIMULATOR_RUN_ID": ("run_id", str),
    "SIMULATOR_API_KEY": ("api_key", str),
    "SIMULATOR_CDN_URL": ("cdn_url", lambda text: text.rstrip("/")),
    "SIMULATOR_SLOW_SECONDS": ("slow_seconds", _expecting("a number of seconds", float)),
    "SIMULATOR_LARGE_BYTES": ("large_bytes", _expecting("a whole number of bytes", int)),
    "SIMULATOR_SEED": ("seed", _expecting("a whole number", int)),
    "SIMULATOR_CREDITS": ("credits", _expecting("a number of credits from 0, or none", _credits)),
}

# Member of POST /_settings: variable.
CHANGEABLE: Mapping[str, str] = {
    "runSeconds": "SIMULATOR_RUN_SECONDS",
    "honourKeys": "SIMULATOR_HONOUR_KEYS",
    "plan": "SIMULATOR_PLAN",
    "style": "SIMULATOR_STYLE",
    "slowSeconds": "SIMULATOR_SLOW_SECONDS",
    "largeBytes": "SIMULATOR_LARGE_BYTES",
    "credits": "SIMULATOR_CREDITS",
}


def _parse(settings: S, given: Mapping[str, str]) -> S:
    values, problems = {}, []
    for name, text in given.items():
        field_name, parse = VARIABLES[name]
        try:
            values[field_name] = parse(text)
        except ValueError as error:
            problems.append(f"{name}={text!r}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return replace(settings, **values)
