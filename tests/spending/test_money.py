"""What an image costs: exact amounts, the price of a workflow, and what a run has cost."""

import json

import pytest

from shared.error_codes import Charged
from shared.spending.money import Cost, CostSource, cost_of_credits, cost_of_run, micros, public_cost
from shared.workflows import Workflow, estimated_cost, highest_price, parse_models, parse_workflows

PRICE = Cost(micros=130_000, source=CostSource.PRICE)


def workflow(**entry: object) -> Workflow:
    models = parse_models("{}")
    (parsed,) = parse_workflows(json.dumps({"w": {"mode": "webhook", "id": "x", **entry}}), models)
    return parsed


def estimate(workflow: Workflow, **fields: object) -> tuple[int, str] | None:
    cost = estimated_cost(workflow, json.dumps(fields), micros(0.01))
    return cost and (cost.micros, str(cost.source))


def test_amounts_are_exact_to_a_millionth_of_a_dollar():
    assert sum(micros(0.1) for _ in range(10)) == micros(1.0)
    assert public_cost(PRICE) == {"amount": 0.13, "currency": "USD", "source": "price"}
    assert public_cost(None) is None


def test_the_estimate_is_the_price_of_the_workflow():
    assert estimate(workflow(pricePerImage=0.13)) == (130_000, "price")
    assert highest_price(workflow(pricePerImage={"1K": 0.1, "4K": 0.24})) == 240_000


def test_a_price_by_resolution_is_that_of_the_request_or_of_the_settings():
    prices = {"1K": 0.1, "2K": 0.2, "4K": 0.24}
    pro = workflow(mode="execute", model="nano_banana_pro", pricePerImage=prices, overridable=["resolution"])
    assert estimate(pro) == (100_000, "price")
    assert estimate(pro, resolution="4K") == (240_000, "price")
    assert estimate(workflow(pricePerImage=prices), resolution="2K") == (200_000, "price")


def test_an_unknown_resolution_counts_as_the_most_expensive_one():
    prices = {"1K": 0.1, "4K": 0.24}
    assert estimate(workflow(pricePerImage=prices)) == (240_000, "price")
    assert estimate(workflow(pricePerImage=prices), resolution=["1K"]) == (240_000, "price")


def test_without_a_price_the_estimate_is_that_of_the_credits_of_the_model():
    lite = workflow(mode="execute", model="nano_banana_2_lite", overridable=["model"])
    assert estimate(lite) == (160_000, "estimate")
    assert estimate(lite, model="nano_banana_pro") == (200_000, "estimate")
    assert estimate(lite, model="nano_banana") is None
    assert estimate(workflow()) is None
    assert estimated_cost(lite, "{}", micros(0.02)) == Cost(micros=320_000, source=CostSource.ESTIMATE)


@pytest.mark.parametrize(
    ("known", "charged", "images", "expected"),
    [
        (None, Charged.YES, 1, PRICE),
        (None, Charged.YES, 0, PRICE),
        (None, Charged.YES, 3, Cost(micros=390_000, source=CostSource.PRICE)),
        (None, Charged.NO, 0, Cost(micros=0, source=CostSource.PRICE)),
        (None, Charged.UNKNOWN, 0, None),
        (cost_of_credits(20.0, 10_000), Charged.UNKNOWN, 2, Cost(micros=200_000, source=CostSource.CREDITS)),
        (cost_of_credits(0.0, 10_000), Charged.YES, 1, Cost(micros=0, source=CostSource.CREDITS)),
        (cost_of_credits(None, 10_000), Charged.YES, 1, PRICE),
    ],
)
def test_a_run_costs_its_credits_or_else_its_images(
    known: Cost | None, charged: Charged, images: int, expected: Cost | None
):
    assert cost_of_run(known, PRICE, charged, range(images)) == expected
