"""Money in integer micro-dollars: sums of it are exact, and a limit is never exceeded by rounding. Pure."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.error_codes import Charged

MICROS = 1_000_000  # micro-dollars of one dollar
CURRENCY = "USD"


class CostSource(StrEnum):
    """Where the amount of a cost comes from."""

    PRICE = "price"  # `pricePerImage` of the workflow
    CREDITS = "credits"  # the credits that Wireflow reports, at USD_PER_CREDIT each
    ESTIMATE = "estimate"  # the credits of the model in Wireflow's list, at USD_PER_CREDIT each


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a job costs, in micro-dollars."""

    micros: int
    source: CostSource


def total_cost(costs: Sequence[Cost | None]) -> Cost | None:
    """Return the sum of costs, from the least certain of their sources; None if one of them is not known."""
    known = [cost for cost in costs if cost]
    if len(known) < len(costs):
        return None
    certain = list(CostSource)
    source = max((cost.source for cost in known), key=certain.index, default=CostSource.PRICE)
    return Cost(micros=sum(cost.micros for cost in known), source=source)


def micros(dollars: float) -> int:
    """Return the amount in micro-dollars, rounded to the nearest."""
    return round(dollars * MICROS)


def dollars(amount: int) -> float:
    """Return an amount of micro-dollars in dollars."""
    return amount / MICROS


def public_cost(cost: Cost | None) -> dict[str, Any] | None:
    """Return the cost as JSON values: `{"amount": 0.13, "currency": "USD", "source": "price"}`, or None."""
    if cost is None:
        return None
    return {"amount": dollars(cost.micros), "currency": CURRENCY, "source": str(cost.source)}


def cost_of_credits(credits_used: float | None, per_credit: int) -> Cost | None:
    """Return the cost of the credits that a run has used, at `per_credit` micro-dollars each; None if not reported."""
    if credits_used is None:
        return None
    return Cost(micros=max(round(credits_used * per_credit), 0), source=CostSource.CREDITS)


def cost_of_run(known: Cost | None, estimate: Cost | None, charged: Charged, images: Sized) -> Cost | None:
    """Return what a run has cost: by the credits that Wireflow reported, else by its images; None if it is not known.

    `known`: the cost so far. `estimate`: of one image. A run that was charged has cost at least one image.
    """
    if known and known.source is CostSource.CREDITS:
        return known
    if charged is Charged.NO:
        return Cost(micros=0, source=estimate.source if estimate else CostSource.PRICE)
    if charged is Charged.UNKNOWN or estimate is None:
        return None
    return Cost(micros=estimate.micros * max(len(images), 1), source=estimate.source)
