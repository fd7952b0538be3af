"""The published limits of a plan are enforced, in any 60 seconds and in any day."""

from datetime import timedelta

import pytest

from functions.simulator.api import PAID, Endpoint
from tests.simulator.bodies import image_file
from tests.simulator.conftest import START, Open


@pytest.mark.parametrize(("plan", "requests"), [("free", 10), ("starter", 20), ("pro", 60), ("enterprise", 200)])
async def test_each_plan_has_its_requests_per_minute(open_vendor: Open, plan: str, requests: int) -> None:
    async with open_vendor(plan=plan) as vendor:
        codes = [(await vendor.poll("exec_none")).status_code for _ in range(requests + 1)]
        assert codes == [404] * requests + [429]


@pytest.mark.parametrize("plan", ["starter", "pro", "enterprise"])
async def test_every_plan_starts_ten_runs_per_minute(open_vendor: Open, plan: str) -> None:
    async with open_vendor(plan=plan) as vendor:
        codes = [(await vendor.trigger()).status_code for _ in range(11)]
        assert codes == [202] * 10 + [429]
        assert (await vendor.stats())["rateLimited"] == 1


async def test_every_paid_call_counts_as_an_execution(open_vendor: Open) -> None:
    async with open_vendor(plan="pro") as vendor:
        assert {(await vendor.pay(PAID[n % 3])).status_code for n in range(10)} == {201, 202}
        assert [(await vendor.pay(endpoint)).status_code for endpoint in PAID] == [429, 429, 429]


@pytest.mark.parametrize("endpoint", [Endpoint.DESCRIBE, Endpoint.UPLOAD])
async def test_descriptions_and_uploads_count_as_requests_only(open_vendor: Open, endpoint: Endpoint) -> None:
    async with open_vendor(plan="starter") as vendor:
        upload = endpoint is Endpoint.UPLOAD
        codes = [(await (vendor.upload(image_file()) if upload else vendor.describe())).status_code for _ in range(21)]
        assert codes == [200] * 20 + [429]


async def test_a_429_has_the_seconds_in_its_header_and_an_epoch_in_its_body(open_vendor: Open) -> None:
    async with open_vendor(plan="pro") as vendor:
        for _ in range(10):
            await vendor.start()
            await vendor.clock.sleep(1)
        rejected = await vendor.trigger()
        assert rejected.headers["retry-after"] == "50"
        assert rejected.json()["retryAfter"] == int((START + timedelta(minutes=1)).timestamp())
        await vendor.clock.sleep(49.999)
        assert (await vendor.trigger()).status_code == 429
        await vendor.clock.sleep(0.001)
        assert (await vendor.trigger()).status_code == 202


async def test_the_free_plan_has_fifty_runs_per_day(open_vendor: Open) -> None:
    async with open_vendor(plan="free") as vendor:
        for _ in range(50):
            await vendor.start()
            await vendor.clock.sleep(6.1)
        rejected = await vendor.trigger()
        assert rejected.status_code == 429
        vendor.clock.moment = START + timedelta(hours=11, minutes=59)
        assert (await vendor.trigger()).status_code == 429
        vendor.clock.moment = START + timedelta(hours=12)
        assert (await vendor.trigger()).status_code == 202
        assert (await vendor.stats())["maxStartsPerMinute"] == 10


async def test_the_remaining_requests_count_down_and_recover(open_vendor: Open) -> None:
    async with open_vendor(plan="free") as vendor:
        left = [(await vendor.poll("exec_none")).headers["x-ratelimit-remaining"] for _ in range(3)]
        assert left == ["9", "8", "7"]
        await vendor.clock.sleep(60)
        assert (await vendor.poll("exec_none")).headers["x-ratelimit-remaining"] == "9"


async def test_a_replay_is_no_execution(open_vendor: Open) -> None:
    async with open_vendor(plan="enterprise") as vendor:
        codes = [(await vendor.trigger(key="key-1")).status_code for _ in range(12)]
        assert codes == [202] * 12


async def test_without_a_plan_nothing_is_limited(open_vendor: Open) -> None:
    async with open_vendor() as vendor:
        assert {(await vendor.trigger()).status_code for _ in range(300)} == {202}
