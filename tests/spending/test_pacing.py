"""The schedule of polls and the budget of requests."""

from datetime import UTC, datetime, timedelta

from shared.spending import pacing
from shared.spending.pacing import Budget

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_polls_follow_the_guides_schedule():
    elapsed, pauses = 0.0, []
    for _ in range(9):
        pauses.append(pacing.seconds_to_next_poll(elapsed))
        elapsed += pauses[-1]
    assert [round(pause, 3) for pause in pauses] == [1, 1.5, 2.25, 3.375, 5.062, 7.594, 10, 10, 10]


def test_pauses_double_after_failed_polls():
    assert [pacing.seconds_to_next_poll(0, errors) for errors in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_a_request_beyond_the_limit_waits_until_the_first_one_is_a_minute_old():
    budget = Budget(per_minute=3)
    for second in (0, 10, 20):
        assert pacing.next_request_at(budget, after(second)) == after(second)
        budget = pacing.after_request(budget, after(second))
    assert pacing.next_request_at(budget, after(30)) == after(60)


def test_zero_means_no_limit():
    budget = Budget(per_minute=0)
    for _ in range(1000):
        budget = pacing.after_request(budget, NOON)
    assert pacing.next_request_at(budget, NOON) == NOON


def test_a_requested_pause_applies_whatever_the_limit():
    budget = pacing.paused(Budget(per_minute=0), after(30))
    assert pacing.next_request_at(budget, NOON) == after(30)
    assert pacing.paused(budget, after(10)).blocked_until == after(30)


def test_rate_limit_headers_override_the_plan():
    budget = pacing.after_headers(Budget(per_minute=200), {"limit": 2, "remaining": 1, "reset": 0}, NOON)
    budget = pacing.after_request(pacing.after_request(budget, NOON), NOON)
    assert pacing.next_request_at(budget, after(1)) == after(60)


def test_with_nothing_remaining_the_next_request_waits_for_the_reset():
    reset = int(after(42).timestamp())
    budget = pacing.after_headers(Budget(per_minute=200), {"limit": 200, "remaining": 0, "reset": reset}, NOON)
    assert pacing.next_request_at(budget, NOON) == after(42)


def test_no_header_of_a_successful_response_delays_requests_for_longer_than_a_minute():
    budget = pacing.after_headers(Budget(per_minute=200), {"limit": 200, "remaining": 0, "reset": 4_000_000_000}, NOON)
    assert pacing.next_request_at(budget, NOON) == after(60)
