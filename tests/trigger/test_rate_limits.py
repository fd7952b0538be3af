"""Rate limits of browsers: per minute and address, per hour in total, across all instances of a deployment."""

import asyncio
import re
from datetime import timedelta

import pytest

from functions.trigger.auth.rate_limits import RateLimits
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from shared.spending.rate_window import TOTAL, RateWindow
from shared.store_errors import StoreUnavailable
from tests.trigger.stand_ins import InMemoryRateWindow, Instance, ManualClock, request


class Deployment:
    """Instances that share one document."""

    def __init__(self, per_minute: int = 5, per_hour: int = 100, instances: int = 1) -> None:
        settings = AuthSettings(
            origins=("https://shop.example",),
            form_per_minute=per_minute,
            form_per_hour=per_hour,
            on_cloud_run=True,
        )
        self.store, self.clock = InMemoryRateWindow(), ManualClock()
        self.instances = [Instance(settings=settings, store=self.store, clock=self.clock) for _ in range(instances)]
        self.posts = 0

    async def post(
        self, job: int | None = None, address: str = "203.0.113.9", token: str | None = None
    ) -> Problem | dict[str, str]:
        """Submit a job, a new one unless `job` is given; return the headers, or the problem."""
        self.posts += 1
        instance = self.instances[self.posts % len(self.instances)]
        sent = request(headers={"X-Forwarded-For": f"6.6.6.6, {address}"})
        job_id = f"{self.posts if job is None else 10**6 + job:016x}{'0' * 16}"
        try:
            return await instance.forms.admit(sent, job_id, None, token)
        except Problem as problem:
            return problem

    async def admitted(self, count: int, **named: str) -> int:
        return sum([not isinstance(await self.post(**named), Problem) for _ in range(count)])


# --- the limits ------------------------------------------------------------------------------------------------------


async def test_an_address_may_submit_five_jobs_a_minute():
    deployment = Deployment()
    assert await deployment.admitted(8) == 5
    assert await deployment.admitted(8, address="198.51.100.7") == 5
    deployment.clock.later(59)
    assert await deployment.admitted(1) == 0
    deployment.clock.later(1)
    assert await deployment.admitted(8) == 5


async def test_a_sliding_minute_never_exceeds_its_quota():
    deployment, starts = Deployment(per_hour=0), []
    for _ in range(200):
        deployment.clock.later(7)
        if await deployment.admitted(1):
            starts.append(deployment.clock.now())
    for start in starts:
        assert sum(start <= other < start + timedelta(seconds=60) for other in starts) <= 5
    assert len(starts) > 100


async def test_forged_addresses_do_not_help():
    deployment = Deployment()
    taken = 0
    for number in range(20):
        sent = request(headers={"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.9"})
        try:
            await deployment.instances[0].forms.admit(sent, f"{number:032x}"[::-1], None)
            taken += 1
        except Problem:
            pass
    assert taken == 5


async def test_all_addresses_together_may_submit_a_hundred_jobs_an_hour():
    deployment = Deployment()
    taken = sum([await deployment.admitted(1, address=f"203.0.113.{number}") for number in range(120)])
    assert taken == 100
    deployment.clock.later(3_599)
    assert await deployment.admitted(1, address="198.51.100.1") == 0
    deployment.clock.later(1)
    assert await deployment.admitted(1, address="198.51.100.1") == 1


async def test_zero_is_no_limit_and_uses_no_store():
    deployment = Deployment(per_minute=0, per_hour=0)
    assert await deployment.admitted(50) == 50
    assert await deployment.post() == {}
    assert (deployment.store.reads, deployment.store.writes) == (0, 0)


async def test_each_limit_may_be_configured_alone():
    assert await Deployment(per_minute=0, per_hour=7).admitted(10) == 7
    assert await Deployment(per_minute=3, per_hour=0).admitted(10) == 3


async def test_fifty_concurrent_requests_of_one_job_count_once():
    deployment = Deployment(instances=2)
    answers = await asyncio.gather(*(deployment.post(job=1) for _ in range(50)))
    assert not any(isinstance(answer, Problem) for answer in answers)
    assert len(deployment.store.stored.jobs) == 1
    assert await deployment.admitted(8) == 4


async def test_a_repeat_is_admitted_even_when_the_quota_is_used_up():
    deployment = Deployment()
    assert isinstance(await deployment.post(job=1), dict)
    assert await deployment.admitted(8) == 4
    assert isinstance(await deployment.post(job=1), dict)
    assert isinstance(await deployment.post(job=2), Problem)


async def test_several_instances_together_admit_no_more_than_one():
    deployment = Deployment(instances=4)
    answers = await asyncio.gather(*(deployment.post() for _ in range(40)))
    assert sum(not isinstance(answer, Problem) for answer in answers) == 5
    assert deployment.store.conflicts > 0


async def test_a_job_that_cannot_be_counted_for_conflicts_is_not_admitted():
    deployment = Deployment()
    deployment.store.save_rate_window = never  # type: ignore[method-assign] - another instance is always faster
    with pytest.raises(StoreUnavailable):
        await deployment.post()


async def never(_window: RateWindow) -> RateWindow:
    return await InMemoryRateWindow().save_rate_window(RateWindow(revision=99))


async def test_a_job_that_cannot_be_counted_is_not_admitted():
    class Unavailable(InMemoryRateWindow):
        async def save_rate_window(self, _window: RateWindow) -> RateWindow:
            raise StoreUnavailable("unavailable")

    limits = RateLimits(AuthSettings(), Unavailable(), ManualClock())  # type: ignore[arg-type] - the part that is used
    with pytest.raises(StoreUnavailable):
        await limits.admit("203.0.113.9", "0" * 32)


async def test_the_document_reveals_no_address_and_no_job_id():
    deployment = Deployment()
    await deployment.admitted(2)
    await deployment.admitted(1, address="2001:db8:1:2::9")
    await deployment.post(token="the form token")
    stored = deployment.store.stored
    assert len(stored.counters.keys() - {TOTAL}) == 2
    tokens = [recent.form_token for recent in stored.jobs.values() if recent.form_token]
    assert len(tokens) == 1
    for text in (*stored.counters.keys() - {TOTAL}, *stored.jobs, *tokens):
        assert re.fullmatch(r"[0-9a-f]{16}", text)


async def test_addresses_of_one_ipv6_network_share_a_limit():
    deployment = Deployment()
    assert sum([await deployment.admitted(1, address=f"2001:db8:1:2::{number}") for number in range(9)]) == 5


async def test_a_form_token_is_valid_for_one_job_even_without_limits():
    deployment = Deployment(per_minute=0, per_hour=0, instances=2)
    for _ in range(2):
        assert await deployment.post(job=1, token="a") == {}
    for _ in range(2):
        rejection = await deployment.post(job=2, token="a")
        assert isinstance(rejection, Problem)
        assert (rejection.code, rejection.field) == ("invalid_field", "formToken")
    assert await deployment.post(job=2, token="b") == {}


async def test_a_rejected_job_does_not_use_its_form_token():
    deployment = Deployment(per_minute=1)
    await deployment.post()
    assert isinstance(await deployment.post(job=1, token="a"), Problem)
    deployment.clock.later(60)
    assert isinstance(await deployment.post(job=2, token="a"), dict)


# --- headers ---------------------------------------------------------------------------------------------------------


async def test_a_response_states_the_remaining_quota():
    deployment = Deployment()
    assert await deployment.post() == {
        "RateLimit-Policy": '"per-minute";q=5;w=60, "per-hour";q=100;w=3600',
        "RateLimit": '"per-minute";r=4;t=60, "per-hour";r=99;t=3600',
    }
    deployment.clock.later(20.5)
    headers = await deployment.post()
    assert isinstance(headers, dict)
    assert (
        headers["RateLimit"] == '"per-minute";r=3;t=40, "per-hour";r=98;t=3600'
    )  # one minute's jobs count as its newest


async def test_a_rejection_states_when_to_retry():
    deployment = Deployment()
    for _ in range(5):
        await deployment.admitted(1)
        deployment.clock.later(2.3)
    rejection = await deployment.post()
    assert isinstance(rejection, Problem)
    assert rejection.code == "rate_limited"
    assert rejection.headers["RateLimit"] == '"per-minute";r=0;t=49'
    assert rejection.headers["RateLimit-Policy"] == '"per-minute";q=5;w=60, "per-hour";q=100;w=3600'
    assert rejection.headers["Retry-After"] == "49"
    deployment.clock.later(48)
    assert await deployment.admitted(1) == 0
    deployment.clock.later(1)
    assert await deployment.admitted(2) == 1


async def test_of_two_exhausted_limits_the_longer_wait_counts():
    deployment = Deployment(per_minute=2, per_hour=2)
    assert await deployment.admitted(2) == 2
    rejection = await deployment.post()
    assert isinstance(rejection, Problem)
    assert rejection.headers["Retry-After"] == "3600"
    assert rejection.headers["RateLimit"] == '"per-minute";r=0;t=60, "per-hour";r=0;t=3600'
