"""The settings of spend limits: amounts in dollars, and the limits of individual callers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.auth_settings import Pairs, origin_of, parse_entries
from shared.callers import FORM_PREFIX, is_visitor
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
    if text.strip() == "{}":
        return {}
    limits = dict(parse_entries(text, EXAMPLE, _entry, _is_caller))
    if len(limits) > MAX_CALLERS:
        raise ValueError(f"must not name more than {MAX_CALLERS} callers")
    return limits


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


def _is_caller(name: str) -> bool:
    """Whether jobs may have this caller, beside those with a token or a secret."""
    origin = name.removeprefix(FORM_PREFIX)
    return name == "event" or (is_visitor(name) and origin_of(origin) == origin)


def _entry(name: str, entry: Any) -> tuple[str, CallerLimits]:
    known = [*COUNTS, *AMOUNTS]
    fields = dict(entry) if isinstance(entry, Pairs) else {}
    if not fields or len(fields) < len(entry) or not fields.keys() <= set(known):
        raise ValueError(f"must be an object with any of {', '.join(known)}, each of them once")
    if faults := list(_faults(fields)):
        raise ValueError(", ".join(faults))
    counts = {field: fields[name] for name, field in COUNTS.items() if name in fields}
    amounts = {field: micros(fields[name]) for name, field in AMOUNTS.items() if name in fields}
    return name, CallerLimits(**counts, **amounts)


def _faults(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if name in COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            yield f"{name} must be a whole number above 0; leave it out for no limit"
        elif name in AMOUNTS and not _is_amount(value):
            yield f"{name} must be an amount in dollars above 0; leave it out for no limit"


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= MAX_DOLLARS and micros(value) > 0
