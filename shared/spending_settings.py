"""The settings of limits in money: amounts in dollars, and the limits of single callers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.spending.budget import MAX_CALLERS, CallerLimits, SpendLimits
from shared.spending.money import micros
from shared.workflows import Workflow, highest_price

MAX_DOLLARS = 100_000_000
EXAMPLE = '{"zapier": {"usdPerDay": 5, "perDay": 100}}'
COUNTS = {"perDay": "per_day", "maxQueued": "max_queued"}
AMOUNTS = {"usdPerDay": "spend_per_day", "usdPerMonth": "spend_per_month"}


def parse_dollars(text: str) -> int:
    """Parse an amount of dollars; return micro-dollars. Raise ValueError."""
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= MAX_DOLLARS:
        raise ValueError("must be an amount in dollars, such as 25 or 0.5; 0 means no limit")
    if amount and not micros(amount):
        raise ValueError("must be at least a millionth of a dollar; 0 means no limit")
    return micros(amount)


def parse_caller_limits(text: str) -> dict[str, CallerLimits]:
    """Parse CALLER_LIMITS: a JSON object, name of a caller → limits. Raise ValueError with all faults."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        raise ValueError(f"must be a JSON object such as {EXAMPLE}")
    if len(entries) > MAX_CALLERS:
        raise ValueError(f"must not name more than {MAX_CALLERS} callers")
    faults = [f'"{name[:80]}": {fault}' for name, entry in entries.items() for fault in _faults(entry)]
    if faults:
        raise ValueError("; ".join(faults))
    return {name: _limits(entry) for name, entry in entries.items()}


def with_prices(limits: SpendLimits, workflows: Sequence[Workflow]) -> tuple[SpendLimits, list[str]]:
    """Return the limits with the prices of the workflows, and a fault for each workflow without one."""
    prices = {workflow.name: highest_price(workflow) for workflow in workflows}
    known = [price for price in prices.values() if price is not None]
    priced = replace(
        limits,
        lowest=min((micros(price) for workflow in workflows for _, price in workflow.prices), default=0),
        highest=max(known, default=0),
    )
    missing = [name for name, price in prices.items() if price is None] if limits.in_money else []
    return priced, [
        f'WIREFLOW_WORKFLOWS: "{name}" has no pricePerImage, which a spend limit needs. Add it, such as '
        f'{{"{name}": {{…, "pricePerImage": 0.13}}}}'
        for name in missing
    ]


def _faults(entry: Any) -> Iterator[str]:
    known = [*COUNTS, *AMOUNTS]
    if not isinstance(entry, dict) or not entry or not entry.keys() <= set(known):
        yield f"must be an object with any of {', '.join(known)}"
        return
    for name, value in entry.items():
        if name in COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            yield f"{name} must be a whole number above 0; leave it out for no limit"
        elif name in AMOUNTS and not _is_amount(value):
            yield f"{name} must be an amount in dollars above 0; leave it out for no limit"


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value <= MAX_DOLLARS and micros(value) > 0


def _limits(entry: Mapping[str, Any]) -> CallerLimits:
    counts = {field: entry[name] for name, field in COUNTS.items() if name in entry}
    amounts = {field: micros(entry[name]) for name, field in AMOUNTS.items() if name in entry}
    return CallerLimits(**counts, **amounts)
