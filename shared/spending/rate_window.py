"""How many new jobs browsers may bring: so many a minute from one address, so many an hour in all. Pure.

The state is one document that all instances share. A job counts once however often it is sent, so that a repeat never
uses up what is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOST = 5_000  # entries: the document must fit into 1 MiB


@dataclass(frozen=True, slots=True)
class Arrival:
    """One new job of a browser. `address`: a keyed hash; `job_id`: its first 16 digits do.

    `ticket`: what stands for the form token that it came with, which is good for one job.
    """

    at: datetime
    address: str
    job_id: str
    ticket: str | None = None


@dataclass(frozen=True, slots=True)
class RateWindow:
    """Those of the last hour, the oldest first."""

    entries: tuple[Arrival, ...] = ()
    revision: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` arrivals within any `window`: of one address, or of all."""

    name: str
    quota: int
    window: timedelta
    by_address: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """`left` more may arrive within the next `seconds`; then room for another one comes free."""

    policy: Policy
    left: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the job may come in; if so `arrivals` has it. `retry_seconds`: when one that may not would fit in."""

    admitted: bool
    arrivals: RateWindow
    standings: tuple[Standing, ...]
    retry_seconds: int = 0
    ticket_used: bool = False  # for another job


def policies(per_minute: int, per_hour: int) -> tuple[Policy, ...]:
    """What limits there are; 0 is none."""
    both = (
        Policy("per-minute", min(per_minute, MOST), MINUTE, by_address=True),
        Policy("per-hour", min(per_hour, MOST), HOUR, by_address=False),
    )
    return tuple(policy for policy in both if policy.quota)


def arrive(seen: RateWindow, new: Arrival, limits: Sequence[Policy]) -> Verdict:
    """What becomes of a new job. With neither a policy nor a ticket there is nothing to ask."""
    longest = max([policy.window for policy in limits], default=MINUTE)
    recent = [entry for entry in seen.entries if entry.at > new.at - (HOUR if entry.ticket else longest)]
    if any(entry.job_id == new.job_id for entry in recent):
        return Verdict(True, seen, _standings(recent, new, limits))
    if new.ticket and any(entry.ticket == new.ticket for entry in recent):
        return Verdict(False, seen, (), ticket_used=True)
    exhausted = [standing for standing in _standings(recent, new, limits) if not standing.left]
    waits = [standing.seconds for standing in exhausted]
    if len(recent) >= MOST:
        waits.append(_until_room(recent, MOST, longest, new.at))
    if waits:
        return Verdict(False, seen, tuple(exhausted), max(waits))
    entries = tuple(sorted((*recent, new), key=lambda entry: entry.at))
    return Verdict(True, replace(seen, entries=entries), _standings(entries, new, limits))


def _standings(entries: Sequence[Arrival], new: Arrival, limits: Sequence[Policy]) -> tuple[Standing, ...]:
    standings = []
    for policy in limits:
        counted = _within(entries, policy.window, new.at)
        if policy.by_address:
            counted = [entry for entry in counted if entry.address == new.address]
        left = max(policy.quota - len(counted), 0)
        standings.append(Standing(policy, left, _until_room(counted, policy.quota, policy.window, new.at)))
    return tuple(standings)


def _within(entries: Sequence[Arrival], window: timedelta, now: datetime) -> list[Arrival]:
    return [entry for entry in entries if entry.at > now - window]


def _until_room(counted: Sequence[Arrival], quota: int, window: timedelta, now: datetime) -> int:
    """Seconds until one more fits in than does now: the oldest leaves, or more if there are too many already."""
    if not counted:
        return int(window.total_seconds())
    leaves = counted[max(len(counted) - quota, 0)].at + window
    return min(max(math.ceil((leaves - now).total_seconds()), 1), int(window.total_seconds()))
