"""What jobs report as their cost: before the run, after it, and when it failed."""

import json

import pytest

from functions.simulator.settings import Settings
from shared.config import ConfigurationError
from tests.steps.conftest import OpenWorld

PRICED = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.13}})


def usd(amount: float, source: str = "price") -> dict[str, object]:
    return {"amount": amount, "currency": "USD", "source": source}


async def test_a_job_has_an_estimate_at_once_and_its_cost_at_the_end(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        job = (await world.post()).json()
        assert (job["estimatedCost"], job["cost"]) == (usd(0.13), None)
        (job,) = await world.end_of(job["id"])
        assert (job["estimatedCost"], job["cost"]) == (usd(0.13), usd(0.13))
        listed = (await world.http.get("/jobs")).json()["jobs"]
        assert [one["cost"] for one in listed] == [usd(0.13)]
        assert [line["cost"] for line in world.log("job_stored")] == [0.13]


async def test_each_image_of_a_run_counts(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        (job,) = await world.end_of(await world.accepted(count=4))
        assert (job["imageCount"], job["cost"]) == (4, usd(0.52))


async def test_reported_credits_correct_the_estimate(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, USD_PER_CREDIT="0.02", credits=20.0) as world:
        (job,) = await world.end_of(await world.accepted())
        assert (job["creditsUsed"], job["cost"]) == (20, usd(0.4, "credits"))
        assert job["estimatedCost"] == usd(0.13)


async def test_without_a_price_only_the_credits_tell_the_cost(open_world: OpenWorld) -> None:
    async with open_world(credits=20.0) as world:
        job = (await world.post()).json()
        assert job["estimatedCost"] is None
        (job,) = await world.end_of(job["id"])
        assert job["cost"] == usd(0.2, "credits")
    async with open_world() as world:
        (job,) = await world.end_of(await world.accepted())
        assert (job["estimatedCost"], job["cost"]) == (None, None)


@pytest.mark.parametrize(
    ("fault", "charged", "cost"),
    [("moderation", "no", usd(0)), ("cancelled", "unknown", None), ("bad_request", "no", usd(0))],
)
async def test_a_failed_job_costs_what_it_was_charged(
    open_world: OpenWorld, fault: str, charged: str, cost: object
) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        (job,) = await world.end_of((await world.post(f"[fault:{fault}]")).json()["id"])
        assert (job["errorCharged"], job["cost"]) == (charged, cost)


async def test_a_canceled_job_costs_nothing(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, EXECUTIONS_PER_MINUTE="1") as world:
        await world.accepted()
        job_id = await world.accepted()
        assert (await world.http.delete(f"/jobs/{job_id}")).json()["cost"] == usd(0)


async def test_an_estimate_is_never_asked_for(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        await world.end_of(await world.accepted())
        assert {call.endpoint for call in world.vendor.calls} == {"trigger", "poll", "cdn"}


async def test_without_a_price_the_credits_of_the_model_are_the_estimate_until_the_run_reports_its_own(
    open_world: OpenWorld,
) -> None:
    pro = {"mode": "execute", "id": Settings().execute_id, "model": "nano_banana_pro"}
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps({"pro": pro}), USD_PER_CREDIT="0.02", credits=7.0) as world:
        request = {"prompt": "a cat", "workflow": "pro"}
        quote = (await world.http.post("/", json={**request, "dryRun": True})).json()
        assert quote["estimatedCost"] == usd(0.4, "estimate")
        (job,) = await world.end_of((await world.http.post("/", json=request)).json()["id"])
        assert (job["estimatedCost"], job["cost"]) == (usd(0.4, "estimate"), usd(0.14, "credits"))


async def test_a_spend_limit_needs_a_price_and_not_only_credits(open_world: OpenWorld) -> None:
    pro = {"mode": "execute", "id": Settings().execute_id, "model": "nano_banana_pro"}
    workflows = json.dumps({**json.loads(PRICED), "pro": pro})
    with pytest.raises(ConfigurationError, match='"pro" has no pricePerImage'):
        async with open_world(WIREFLOW_WORKFLOWS=workflows, DAILY_SPEND_USD="5"):
            pass
