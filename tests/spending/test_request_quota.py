"""The quota of requests to Wireflow."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from shared.spending import request_quota as rules
from shared.spending.request_quota import RequestQuota

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_request_beyond_the_limit_waits_until_the_first_one_is_a_minute_old():
    quota = RequestQuota(per_minute=3)
    for second in (0, 10, 20):
        assert rules.next_request_at(quota, after(second)) == after(second)
        quota = rules.after_request(quota, after(second))
    assert rules.next_request_at(quota, after(30)) == after(60.5)


def test_zero_means_no_limit():
    quota = RequestQuota(per_minute=0)
    for _ in range(1000):
        quota = rules.after_request(quota, NOON)
    assert rules.next_request_at(quota, NOON) == NOON


def test_a_requested_pause_applies_whatever_the_limit():
    quota = rules.paused(RequestQuota(per_minute=0), after(30))
    assert rules.next_request_at(quota, NOON) == after(30)
    assert rules.paused(quota, after(10)).blocked_until == after(30)


def test_rate_limit_headers_override_the_plan():
    quota = rules.after_headers(RequestQuota(per_minute=200), {"limit": 2, "remaining": 1, "reset": 0}, NOON)
    quota = rules.after_request(rules.after_request(quota, NOON), NOON)
    assert rules.next_request_at(quota, after(1)) == after(60.5)


def test_with_nothing_remaining_the_next_request_waits_for_the_reset():
    reset = int(after(42).timestamp())
    quota = rules.after_headers(RequestQuota(per_minute=200), {"limit": 200, "remaining": 0, "reset": reset}, NOON)
    assert rules.next_request_at(quota, NOON) == after(42)


def test_no_header_of_a_successful_response_delays_requests_for_longer_than_a_minute():
    headers = {"limit": 200, "remaining": 0, "reset": 4_000_000_000}
    quota = rules.after_headers(RequestQuota(per_minute=200), headers, NOON)
    assert rules.next_request_at(quota, NOON) == after(60)


def test_room_is_kept_for_starts_of_which_the_poller_does_not_know():
    quota = RequestQuota(per_minute=5, for_starts=2)
    for _ in range(3):
        assert rules.next_request_at(quota, NOON) == NOON
        quota = rules.after_request(quota, NOON)
    assert rules.next_request_at(quota, NOON) == after(60.5)
    assert rules.free_starts(quota, NOON, 9) == 2


def test_known_starts_use_the_room_that_is_kept_for_them():
    quota = rules.with_starts(RequestQuota(per_minute=5, for_starts=2), [NOON, NOON])
    assert rules.room(quota, NOON) == 3
    assert rules.room(rules.after_start(quota, NOON), NOON) == 2


def test_polls_leave_room_for_a_start_that_waits():
    quota = RequestQuota(per_minute=2)
    quota = rules.after_request(quota, NOON)
    assert rules.next_request_at(quota, after(1)) == after(1)
    assert rules.next_request_at(quota, after(1), starts=1) == after(60.5)
    assert rules.next_start_at(quota, after(1)) == after(1)


def test_the_load_is_1_if_the_limit_is_used_up_evenly():
    quota = RequestQuota(per_minute=60)
    for second in range(120):
        quota = rules.after_request(quota, after(second))
    assert rules.load(quota, after(119.5)) == pytest.approx(1, abs=0.03)
    assert rules.load(RequestQuota(per_minute=60), NOON) == 0
    assert rules.load(RequestQuota(per_minute=0), NOON) == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_minute_has_more_requests_than_the_limit_whatever_two_functions_do(seed: int):
    """The trigger knows only the starts; the poller knows its own requests, and the starts when it made one itself."""
    rand = random.Random(seed)
    per_minute = rand.choice([5, 10, 20, 60])
    at_once = max(per_minute // 5, 1)
    quota = RequestQuota(per_minute=per_minute, for_starts=at_once)
    starts: list[datetime] = []
    sent: list[datetime] = []
    second = 0.0
    for _ in range(600):
        second += rand.choice([0.0, 0.1, 1.0, 5.0]) * rand.random()
        now = after(second)
        recent = [at for at in starts if at > now - timedelta(seconds=61)]
        if rand.random() < 0.2 and len(recent) < at_once:
            starts.append(now)
        elif rand.random() < 0.2:
            quota = rules.with_starts(quota, recent)
            for _ in range(rules.free_starts(quota, now, rand.randint(0, 10))):
                quota = rules.after_start(quota, now)
                starts.append(now)
        elif rules.next_request_at(quota, now) <= now:
            quota = rules.after_request(quota, now)
            sent.append(now)
        requests = [at for at in (*starts, *sent) if at > now - timedelta(seconds=60)]
        assert len(requests) <= per_minute
