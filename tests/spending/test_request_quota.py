"""The quota of requests to Wireflow."""

import math
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
    assert rules.next_request_at(quota, after(30)) == after(60.25)


def test_zero_means_no_limit():
    quota = RequestQuota(per_minute=0)
    for _ in range(1000):
        quota = rules.after_request(quota, NOON)
    assert rules.next_request_at(quota, NOON) == NOON


def test_a_requested_pause_applies_whatever_the_limit():
    quota = rules.paused(RequestQuota(per_minute=0), after(30))
    assert rules.next_request_at(quota, NOON) == after(30)
    assert rules.paused(quota, after(10)).blocked_until == after(30)


# --- what the headers of responses say -----------------------------------------------------------------------------


def observed(quota: RequestQuota, second: float, *, left: int, reset: float, limit: int = 0) -> RequestQuota:
    """Return the quota after a response to the request of a `second`: so many are left until the reset."""
    headers = {"remaining": left, "reset": int(after(reset).timestamp())} | ({"limit": limit} if limit else {})
    return rules.after_headers(quota, headers, after(second), after(second))


def test_rate_limit_headers_override_the_plan():
    quota = rules.after_headers(RequestQuota(per_minute=200), {"limit": 2, "remaining": 1, "reset": 0}, NOON, NOON)
    quota = rules.after_request(rules.after_request(quota, NOON), NOON)
    assert rules.next_request_at(quota, after(1)) == after(60.25)


def test_with_nothing_remaining_the_next_request_waits_for_the_reset():
    quota = observed(RequestQuota(per_minute=200), 0, left=0, reset=42, limit=200)
    assert rules.next_request_at(quota, NOON) == after(42)
    assert rules.next_start_at(quota, NOON, urgent=True) == after(42)


def test_no_more_requests_are_sent_before_the_reset_than_remain():
    quota = observed(rules.after_request(RequestQuota(per_minute=60), NOON), 0, left=2, reset=30)
    for second in (1, 2):
        assert rules.next_request_at(quota, after(second)) == after(second)
        quota = rules.after_request(quota, after(second))
    assert rules.next_request_at(quota, after(3)) == after(30)
    assert rules.free_starts(quota, after(3), 5, urgent=True) == 0


def test_after_the_reset_one_request_tells_how_many_of_others_are_still_counted():
    quota = observed(rules.after_request(RequestQuota(per_minute=10), NOON), 0, left=1, reset=20)
    quota = rules.after_request(quota, after(20))
    assert rules.next_request_at(quota, after(20)) == after(60.25), "until then nothing is known of 8 requests"
    assert rules.next_request_at(observed(quota, 20, left=0, reset=25), after(20)) == after(25)
    quota = observed(quota, 20, left=9, reset=80)
    assert rules.room(quota, after(21)) == 8


def test_a_response_to_an_earlier_request_changes_nothing_whenever_it_comes():
    quota = rules.after_request(rules.after_request(RequestQuota(per_minute=10), NOON), after(1))
    newest = observed(quota, 1, left=3, reset=50)
    assert observed(newest, 0, left=4, reset=50) == newest


def test_of_responses_to_requests_at_once_the_lowest_counts():
    quota = RequestQuota(per_minute=10)
    for _ in range(3):
        quota = rules.after_request(quota, NOON)
    for left in (6, 4, 5):
        quota = observed(quota, 0, left=left, reset=50)
    assert rules.room(quota, after(1)) == 4


def test_starts_of_the_trigger_that_wireflow_has_counted_need_no_more_room():
    quota = rules.after_request(RequestQuota(per_minute=10, for_starts=2), NOON)
    assert rules.room(observed(quota, 0, left=9, reset=50), NOON) == 7, "both starts may still come"
    assert rules.room(observed(quota, 0, left=7, reset=50), NOON) == 7, "both were made"


def test_requests_of_others_count_as_load():
    quota = rules.after_request(RequestQuota(per_minute=10), NOON)
    assert rules.load(observed(quota, 0, left=9, reset=50), NOON) == rules.load(quota, NOON)
    assert rules.load(observed(quota, 0, left=4, reset=50), NOON) == rules.load(quota, NOON) + 1


def test_no_header_of_a_successful_response_delays_requests_for_longer_than_a_minute():
    headers = {"limit": 200, "remaining": 0, "reset": 4_000_000_000}
    quota = rules.after_headers(RequestQuota(per_minute=200), headers, NOON, NOON)
    assert rules.next_request_at(quota, NOON) == after(60)


@pytest.mark.parametrize("value", [-(10**308), -1, 0, 1, 10**308])
@pytest.mark.parametrize("name", ["limit", "remaining", "reset"])
def test_headers_of_any_size_lead_to_a_request_within_a_few_minutes(name: str, value: int):
    headers = {"limit": 10, "remaining": 5, "reset": int(after(30).timestamp())} | {name: value}
    quota = rules.after_headers(
        rules.after_request(RequestQuota(per_minute=60, for_starts=6), NOON), headers, NOON, NOON
    )
    assert rules.load(quota, NOON) >= 0
    assert rules.next_request_at(quota, NOON) <= after(180)


@pytest.mark.parametrize("sliding", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_the_requests_of_another_instance_lead_to_no_429_after_the_first_response(seed: int, sliding: bool):
    """Wireflow counts those of the last minute, or those since the minute began."""
    rand = random.Random(seed)
    quota, limit = RequestQuota(per_minute=60, for_starts=6), 10
    counted = [-60 * rand.random() for _ in range(rand.randint(0, limit - 1))]  # seconds

    def used(second: float) -> int:
        since = second - 60 if sliding else second // 60 * 60 - 1e-9
        return sum(since < at <= second for at in counted)

    second = sent = 0.0
    while second < 600:
        second += rand.choice([0.0, 0.1, 1.0, 5.0]) * rand.random()
        while rules.next_request_at(quota, after(second)) <= after(second):
            assert used(second) < limit, second
            counted.append(second)
            quota, sent = rules.after_request(quota, after(second)), sent + 1
            oldest = min(at for at in counted if at > second - 60)
            reset = math.ceil(oldest + 60 if sliding else (second // 60 + 1) * 60)
            quota = observed(quota, second, left=limit - used(second), reset=reset, limit=limit)
    assert sent > 20


# --- starts --------------------------------------------------------------------------------------------------------


def test_room_is_kept_for_starts_of_which_the_poller_does_not_know():
    quota = RequestQuota(per_minute=5, for_starts=2)
    for _ in range(3):
        assert rules.next_request_at(quota, NOON) == NOON
        quota = rules.after_request(quota, NOON)
    assert rules.next_request_at(quota, NOON) == after(60.25)
    assert rules.free_starts(quota, NOON, 9) == 0


def test_known_starts_use_the_room_that_is_kept_for_them():
    quota = rules.with_starts(RequestQuota(per_minute=5, for_starts=2), [NOON, NOON])
    assert rules.room(quota, NOON) == 3
    assert rules.room(rules.after_start(quota, NOON), NOON) == 2


def test_a_start_needs_room_for_a_poll_too():
    quota = RequestQuota(per_minute=6)
    assert rules.free_starts(quota, NOON, 9) == 3
    for _ in range(5):
        quota = rules.after_request(quota, NOON)
    assert rules.free_starts(quota, after(1), 1) == 0
    assert rules.next_request_at(quota, after(1)) == after(1)
    assert rules.next_start_at(quota, after(1)) == after(60.25)
    assert rules.next_start_at(quota, after(1), urgent=True) == after(1)
    assert rules.free_starts(quota, after(1), 9, urgent=True) == 1


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
    at_once = max(per_minute // 10, 1)
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
