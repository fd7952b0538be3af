"""How many jobs browsers may bring: so many a minute from an address, so many an hour in all, whoever counts."""

import asyncio
import re
from datetime import datetime, timedelta

import pytest

from functions.trigger.auth.rate_limits import RateLimits
from shared.auth_settings import AuthSettings
from shared.ports import StoreUnavailable
from shared.problems import Problem
from shared.spending import rate_window as rules
from shared.spending.rate_window import Arrival, RateWindow, arrive, policies
from tests.trigger.stand_ins import NOON, ArrivalsInMemory, HandClock, House, request

USUAL = policies(5, 100)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Street:
    """Houses that share one document: the instances of a deployment."""

    def __init__(self, per_minute: int = 5, per_hour: int = 100, instances: int = 1, proxies: int = 0) -> None:
        settings = AuthSettings(
            origins=("https://shop.example",),
            form_per_minute=per_minute,
            form_per_hour=per_hour,
            on_cloud_run=True,
            trusted_proxies=proxies,
        )
        self.store, self.clock = ArrivalsInMemory(), HandClock()
        self.houses = [House(settings=settings, store=self.store, clock=self.clock) for _ in range(instances)]
        self.posts = 0

    async def post(self, job: int | None = None, address: str = "203.0.113.9") -> Problem | dict[str, str]:
        """What a browser at this address meets that brings a job; a new one each time unless it is named."""
        self.posts += 1
        house = self.houses[self.posts % len(self.houses)]
        asked = request(headers={"X-Forwarded-For": f"6.6.6.6, {address}"})
        job_id = f"{self.posts if job is None else 10**6 + job:016x}{'0' * 16}"
        try:
            return await house.auth.admit(asked, job_id, None)
        except Problem as problem:
            return problem

    async def let_in(self, count: int, **named: str) -> int:
        return sum([not isinstance(await self.post(**named), Problem) for _ in range(count)])


# --- the limits ------------------------------------------------------------------------------------------------------


async def test_an_address_brings_five_a_minute_and_no_more():
    street = Street()
    assert await street.let_in(8) == 5
    assert await street.let_in(8, address="198.51.100.7") == 5
    street.clock.later(59)
    assert await street.let_in(1) == 0
    street.clock.later(1)
    assert await street.let_in(8) == 5


async def test_never_more_than_five_in_any_sixty_seconds_however_they_come():
    street, starts = Street(per_hour=0), []
    for _ in range(200):
        street.clock.later(7)
        if await street.let_in(1):
            starts.append(street.clock.now())
    for start in starts:
        assert sum(start <= other < start + timedelta(seconds=60) for other in starts) <= 5
    assert len(starts) > 100


async def test_made_up_addresses_do_not_help():
    street = Street()
    taken = 0
    for number in range(20):
        asked = request(headers={"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.9"})
        try:
            await street.houses[0].auth.admit(asked, f"{number:032x}"[::-1], None)
            taken += 1
        except Problem:
            pass
    assert taken == 5


async def test_all_addresses_together_bring_a_hundred_an_hour():
    street = Street()
    taken = sum([await street.let_in(1, address=f"203.0.113.{number}") for number in range(120)])
    assert taken == 100
    street.clock.later(3_599)
    assert await street.let_in(1, address="198.51.100.1") == 0
    street.clock.later(1)
    assert await street.let_in(1, address="198.51.100.1") == 1


async def test_zero_is_no_limit_and_costs_nothing():
    street = Street(per_minute=0, per_hour=0)
    assert await street.let_in(50) == 50
    assert await street.post() == {}
    assert (street.store.reads, street.store.writes) == (0, 0)


async def test_one_limit_may_stand_alone():
    assert await Street(per_minute=0, per_hour=7).let_in(10) == 7
    assert await Street(per_minute=3, per_hour=0).let_in(10) == 3


async def test_fifty_posts_of_the_same_job_at_once_count_once():
    street = Street(instances=2)
    answers = await asyncio.gather(*(street.post(job=1) for _ in range(50)))
    assert not any(isinstance(answer, Problem) for answer in answers)
    assert len(street.store.kept.entries) == 1
    assert await street.let_in(8) == 4


async def test_a_job_that_was_counted_comes_in_again_even_when_nothing_is_left():
    street = Street()
    assert isinstance(await street.post(job=1), dict)
    assert await street.let_in(8) == 4
    assert isinstance(await street.post(job=1), dict)
    assert isinstance(await street.post(job=2), Problem)


async def test_several_instances_at_once_let_in_no_more_than_one():
    street = Street(instances=4)
    answers = await asyncio.gather(*(street.post() for _ in range(40)))
    assert sum(not isinstance(answer, Problem) for answer in answers) == 5
    assert street.store.conflicts > 0


async def test_a_document_that_others_always_change_first_is_no_leave():
    street = Street()
    street.store.save_arrivals = never  # type: ignore[method-assign] - somebody is always faster
    with pytest.raises(StoreUnavailable):
        await street.post()


async def never(arrivals: RateWindow) -> RateWindow:
    return await ArrivalsInMemory().save_arrivals(RateWindow(revision=99))


async def test_a_store_that_is_away_is_no_leave():
    class Away(ArrivalsInMemory):
        async def save_arrivals(self, _arrivals: RateWindow) -> RateWindow:
            raise StoreUnavailable("away")

    limits = RateLimits(AuthSettings(), Away(), HandClock())  # type: ignore[arg-type] - the part that is used
    with pytest.raises(StoreUnavailable):
        await limits.admit("203.0.113.9", "0" * 32)


async def test_the_document_tells_nobody_an_address_or_a_whole_job_id():
    street = Street()
    await street.let_in(2)
    await street.let_in(1, address="2001:db8:1:2::9")
    addresses = [entry.address for entry in street.store.kept.entries]
    assert len(set(addresses)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", address) for address in addresses)
    assert all(len(entry.job_id) == 16 for entry in street.store.kept.entries)


async def test_addresses_of_one_ipv6_network_share_a_limit():
    street = Street()
    assert sum([await street.let_in(1, address=f"2001:db8:1:2::{number}") for number in range(9)]) == 5


# --- what is said of them --------------------------------------------------------------------------------------------


async def test_an_answer_says_what_is_left():
    street = Street()
    assert await street.post() == {
        "RateLimit-Policy": '"per-minute";q=5;w=60, "per-hour";q=100;w=3600',
        "RateLimit": '"per-minute";r=4;t=60, "per-hour";r=99;t=3600',
    }
    street.clock.later(20.5)
    said = await street.post()
    assert isinstance(said, dict)
    assert said["RateLimit"] == '"per-minute";r=3;t=40, "per-hour";r=98;t=3580'


async def test_a_refusal_says_when_to_come_back_and_that_is_true():
    street = Street()
    for _ in range(5):
        await street.let_in(1)
        street.clock.later(2.3)
    refusal = await street.post()
    assert isinstance(refusal, Problem)
    assert refusal.code == "rate_limited"
    assert refusal.headers["RateLimit"] == '"per-minute";r=0;t=49'
    assert refusal.headers["RateLimit-Policy"] == '"per-minute";q=5;w=60, "per-hour";q=100;w=3600'
    assert refusal.headers["Retry-After"] == "49"
    street.clock.later(48)
    assert await street.let_in(1) == 0
    street.clock.later(1)
    assert await street.let_in(2) == 1


async def test_of_two_limits_that_are_reached_the_longer_wait_counts():
    street = Street(per_minute=2, per_hour=2)
    assert await street.let_in(2) == 2
    refusal = await street.post()
    assert isinstance(refusal, Problem)
    assert refusal.headers["Retry-After"] == "3600"
    assert refusal.headers["RateLimit"] == '"per-minute";r=0;t=60, "per-hour";r=0;t=3600'


# --- the rules by themselves -----------------------------------------------------------------------------------------


def test_a_limit_that_was_lowered_holds_at_once():
    seen = RateWindow(tuple(Arrival(at(second), "a", f"{second}") for second in range(5)))
    verdict = arrive(seen, Arrival(at(10), "a", "new"), policies(2, 0))
    assert not verdict.admitted
    assert verdict.retry_seconds == 53  # the fourth of the five leaves at 63 s, and only then one is left


def test_only_what_counts_is_kept():
    seen = RateWindow(tuple(Arrival(at(second), "a", f"{second}") for second in (0, 1, 2)))
    assert arrive(seen, Arrival(at(61), "b", "new"), policies(5, 0)).arrivals.entries[0].at == at(2)
    assert arrive(seen, Arrival(at(3_600), "b", "new"), USUAL).arrivals.entries[0].at == at(1)


def test_the_clock_of_another_instance_may_be_ahead():
    seen = RateWindow((Arrival(at(30), "a", "1"),))
    verdict = arrive(seen, Arrival(at(0), "a", "2"), USUAL)
    assert [entry.job_id for entry in verdict.arrivals.entries] == ["2", "1"]
    assert all(standing.seconds <= standing.policy.window.total_seconds() for standing in verdict.standings)


def test_the_document_stays_small_whatever_the_limits():
    seen = RateWindow(tuple(Arrival(at(0), f"{number}", f"{number}") for number in range(rules.MOST)))
    for limits in (policies(5, 10**6), policies(5, 0)):
        verdict = arrive(seen, Arrival(at(1), "new", "new"), limits)
        assert not verdict.admitted
        assert verdict.arrivals is seen
        assert verdict.retry_seconds == limits[-1].window.total_seconds() - 1


def test_what_the_limits_read_belongs_to_nobody_else():
    assert arrive(RateWindow(), Arrival(at(0), "a", "1"), USUAL).arrivals.entries == (Arrival(at(0), "a", "1"),)
