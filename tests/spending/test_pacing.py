"""When a run is polled next: by the guide's schedule, or by how long runs took lately."""

import random
from itertools import accumulate, pairwise

import pytest

from shared.spending import pacing

FAST_AND_SLOW = [random.Random(1).lognormvariate(0, 0.1) * (10 if number % 3 else 45) for number in range(30)]


def polls(took: pacing.Summary, price: float, until: float) -> list[float]:
    """Return the times of polls, in seconds after the start."""
    times, at = [], 0.0
    while at < until:
        at += pacing.seconds_to_next_poll(at, took, price)
        times.append(at)
    return times


def test_without_a_summary_polls_follow_the_guides_schedule():
    times = [0.0, *polls((), 1.0, 35)]
    pauses = [round(after - before, 3) for before, after in pairwise(times)]
    assert pauses == [1, 1.5, 2.25, 3.375, 5.062, 7.594, 10, 10]


def test_a_few_runs_are_no_summary():
    assert polls((30.0,) * (pacing.MIN_RUNS - 1), 1.0, 35) == polls((), 1.0, 35)


def test_pauses_double_after_failed_polls():
    assert [pacing.seconds_to_next_poll(0, errors=errors) for errors in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_polls_are_where_runs_end():
    times = polls(FAST_AND_SLOW, 0.3, 60)
    assert 6 < times[0] < 10
    assert len([at for at in times if 8 < at < 14]) >= 3
    assert len([at for at in times if 16 < at < 32]) <= 2
    assert len([at for at in times if 36 < at < 54]) >= 2


@pytest.mark.parametrize("elapsed", [0.0, 5.0, 12.0, 30.0, 45.0])
def test_a_higher_price_means_fewer_polls(elapsed: float):
    pauses = [pacing.seconds_to_next_poll(elapsed, FAST_AND_SLOW, price) for price in (0.1, 0.3, 1.0, 3.0)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1]


def test_no_run_is_left_alone_for_more_than_a_minute():
    slow = (400.0,) * pacing.MAX_RUNS
    pauses = [after - before for before, after in pairwise([0.0, *polls(slow, 1.0, 1_200)])]
    assert max(pauses) <= 60


def test_a_run_that_takes_longer_than_any_before_is_polled_ever_more_rarely():
    pauses = [pacing.seconds_to_next_poll(elapsed, (10.0,) * 20, 0.2) for elapsed in (60.0, 120.0, 300.0, 600.0)]
    assert pauses == [10, 15, 37.5, 60]


def test_a_poll_is_dearer_with_a_small_plan_and_when_the_limit_is_nearly_used_up():
    assert pacing.price_of_poll(8, 0) > pacing.price_of_poll(50, 0) > pacing.price_of_poll(0, 0)
    loads = list(accumulate([0.1] * 12))
    prices = [pacing.price_of_poll(50, load) for load in loads]
    assert prices == sorted(prices)
    assert prices[0] == pacing.price_of_poll(50, 0)
    assert prices[-1] > 4 * prices[0]


def test_a_summary_keeps_the_newest_runs():
    took: pacing.Summary = ()
    for number in range(1, 101):
        took = pacing.after_run(took, number - 1, number)
    assert len(took) == pacing.MAX_RUNS
    assert took[-1] == 99.5


def test_a_run_found_by_its_first_poll_counts_as_neither_very_short_nor_just_ended():
    assert pacing.after_run((), 0, 8) == (6.0,)
