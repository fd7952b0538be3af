"""The price of an image of a workflow, before the run."""

import json
from collections.abc import Mapping
from typing import Any

from shared.spending.money import Cost, CostSource, micros
from shared.workflows.workflow import Mode, Workflow

RESOLUTION = "resolution"


def estimated_cost(workflow: Workflow | None, text: str, usd_per_credit: int) -> Cost | None:
    """Return the cost of one image: by `pricePerImage`, else by the credits that Wireflow's list has for the model.

    None if neither is known. `text`: the JSON object of the fields for Wireflow; `usd_per_credit`: in micro-dollars. A
    resolution without a price of its own counts as the most expensive one.
    """
    if workflow is None:
        return None
    prices = dict(workflow.prices)
    if None in prices:
        return Cost(micros=micros(prices[None]), source=CostSource.PRICE)
    fields = json.loads(text) if prices or "model" in workflow.overridable else {}
    if prices:
        price = prices.get(_resolution(workflow, fields), max(prices.values()))
        return Cost(micros=micros(price), source=CostSource.PRICE)
    name = fields.get("model") or workflow.model
    model = next((model for model in workflow.models if model.name == name), None)
    if model is None or model.credits is None:
        return None
    return Cost(micros=model.credits * usd_per_credit, source=CostSource.ESTIMATE)


def highest_price(workflow: Workflow) -> int | None:
    """Return the highest price of an image in micro-dollars; None without `pricePerImage`."""
    return max((micros(price) for _, price in workflow.prices), default=None)


def _resolution(workflow: Workflow, fields: Mapping[str, Any]) -> str | None:
    """Return the resolution of a request; None if it is not known."""
    chosen = fields.get(RESOLUTION)
    if isinstance(chosen, str) and chosen:
        return chosen
    if workflow.mode is not Mode.EXECUTE:
        return None
    name = fields.get("model") or workflow.model
    model = next((model for model in workflow.models if model.name == name), None)
    return workflow.resolution or next(iter(model.resolutions if model else ()), None)
