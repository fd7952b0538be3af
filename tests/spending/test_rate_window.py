"""The rules of the rate limits: no sliding window exceeds its quota, and the document stays small."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jobs.documents import rate_window_from_document, rate_window_to_document
from shared.spending.rate_window import (
    HOUR,
    MAX_COUNTERS,
    MAX_RECENT_JOBS,
    MINUTE,
    TOTAL,
    Counter,
    Decision,
    NewJob,
    RateWindow,
    RecentJob,
    admit,
    policies,
)
from tests.jobs.places import NOW

BOTH = policies(5, 100)
MICROSECOND = timedelta(microseconds=1)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def used(seconds: list[float], address: str = "a", per_minute: int = 5, per_hour: int = 100) -> RateWindow:
    """Return the window after one job at each of these times."""
    window = RateWindow()
    for number, second in enumerate(seconds):
        job = NewJob(at(second), address, f"{address}{number}")
        window = admit(window, job, policies(per_minute, per_hour)).window
    assert len(window.jobs) == len(seconds)
    return window


class Traffic:
    """Jobs submitted one after the other, with what was admitted."""

    def __init__(self, per_minute: int, per_hour: int) -> None:
        self.limits = policies(per_minute, per_hour)
        self.window = RateWindow()
        self.admitted: list[tuple[datetime, str]] = []
        self.submitted = 0

    def submit(self, moment: datetime, address: str = "a", token: str | None = None) -> Decision:
        self.submitted += 1
        decision = admit(self.window, NewJob(moment, address, f"{self.submitted}", token), self.limits)
        # Through the stored form, as between two instances.
        self.window = rate_window_from_document(rate_window_to_document(decision.window), None)
        assert decision.window == self.window
        if decision.admitted:
            self.admitted.append((moment, address))
        return decision


def fullest(times: list[datetime], window: timedelta) -> int:
    """Return how many of these times are in the fullest half-open window."""
    return max([sum(start <= time < start + window for time in times) for start in times], default=0)


# Pauses in sixtieths of a window: within the part that a counter covers, and around the window's edges.
PARTS = st.one_of(
    st.sampled_from([0.0, 1e-6, 0.25, 0.5, 0.75, 1.0, 59.0, 59.25, 59.5, 59.75, 59.999999, 60.0]),
    st.floats(0, 3).map(lambda parts: round(parts, 6)),
    st.floats(0, 90).map(lambda parts: round(parts, 6)),
)
PAUSES = st.one_of(PARTS, PARTS.map(lambda parts: parts * 60))


# --- limits ----------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(PARTS, st.sampled_from("ab"), st.integers(1, 6)), max_size=60),
    st.floats(0, 1),
    st.integers(1, 5),
)
@settings(deadline=None, max_examples=150)
def test_no_sliding_minute_of_an_address_exceeds_its_quota(
    steps: list[tuple[float, str, int]], offset: float, quota: int
):
    traffic, moment = Traffic(quota, 0), at(offset)
    for pause, address, count in steps:
        moment += timedelta(seconds=pause)
        for _ in range(count):
            traffic.submit(moment, address)
    for address in "ab":
        assert fullest([time for time, other in traffic.admitted if other == address], MINUTE) <= quota


@given(st.lists(st.tuples(PARTS, st.integers(1, 6)), max_size=60), st.floats(0, 60), st.integers(1, 8))
@settings(deadline=None, max_examples=150)
def test_no_sliding_hour_exceeds_its_quota(steps: list[tuple[float, int]], offset: float, quota: int):
    traffic, moment = Traffic(0, quota), at(offset)
    for pause, count in steps:
        moment += timedelta(minutes=pause)
        for number in range(count):
            traffic.submit(moment, f"{number}")
    assert fullest([time for time, _ in traffic.admitted], HOUR) <= quota


@given(st.lists(PAUSES, max_size=40), st.floats(0, 60), st.integers(1, 5))
@settings(deadline=None, max_examples=100)
def test_every_window_and_a_sixtieth_of_it_has_room_for_the_quota(pauses: list[float], offset: float, quota: int):
    """Whatever was submitted before, bursts over the next window and a sixtieth of it get the whole quota through."""
    for limits, window in (((quota, 0), MINUTE), ((0, quota), HOUR)):
        traffic, moment = Traffic(*limits), at(offset)
        for pause in pauses:
            moment += timedelta(seconds=pause)
            traffic.submit(moment)
        end = moment + window + window / 60
        while moment < end:
            for _ in range(quota):
                traffic.submit(moment)
            moment += window / 59
        for _ in range(quota):
            traffic.submit(end)
        assert sum(time > end - window - window / 60 for time, _ in traffic.admitted) >= quota


@given(st.lists(PAUSES, max_size=40), st.integers(1, 3), st.integers(1, 8))
@settings(deadline=None, max_examples=100)
def test_a_rejected_job_is_admitted_after_retry_seconds_and_not_a_second_earlier(
    pauses: list[float], per_minute: int, per_hour: int
):
    traffic, moment = Traffic(per_minute, per_hour), NOW
    for pause in pauses:
        moment += timedelta(seconds=pause)
        decision = traffic.submit(moment)
        if not decision.admitted:
            job = NewJob(moment + timedelta(seconds=decision.retry_seconds), "a", "later")
            assert admit(traffic.window, job, traffic.limits).admitted
            early = NewJob(moment + timedelta(seconds=decision.retry_seconds - 1), "a", "early")
            assert not admit(traffic.window, early, traffic.limits).admitted
            assert 1 <= decision.retry_seconds <= 3_600
            assert all(usage.remaining == 0 for usage in decision.usage)


def test_a_counter_counts_all_its_jobs_at_the_time_of_the_newest():
    window = used([-0.1, 0, 0.8, 0.8, 0.8])  # NOW is 0.12 s after a full second
    assert not admit(window, NewJob(at(60.7), "a", "new"), policies(4, 0)).admitted
    assert admit(window, NewJob(at(60.8), "a", "new"), policies(4, 0)).admitted


def test_a_lowered_quota_applies_at_once():
    decision = admit(used([0, 1, 2, 3, 4]), NewJob(at(10), "a", "new"), policies(2, 0))
    assert not decision.admitted
    assert decision.retry_seconds == 53  # the fourth of the five leaves at 63 s; then one remains


def test_the_clock_of_another_instance_may_be_ahead():
    window = used([30])
    decision = admit(window, NewJob(at(0), "a", "new"), BOTH)
    assert decision.window.counters["a"] == (Counter(window.counters["a"][0].at, 2),)
    assert all(usage.reset_seconds <= usage.policy.window.total_seconds() for usage in decision.usage)


def test_a_naive_time_is_refused():
    with pytest.raises(TypeError):
        admit(RateWindow(), NewJob(NOW.replace(tzinfo=None), "a", "new"), BOTH)


# --- repeats and form tokens -----------------------------------------------------------------------------------------


def test_a_repeat_changes_nothing():
    window = used([0, 1, 2, 3, 4])
    decision = admit(window, NewJob(at(3_599), "a", "a0"), BOTH)
    assert decision.admitted
    assert decision.window is window


@given(st.lists(st.tuples(PAUSES, st.sampled_from("xyz"), st.sampled_from("123")), max_size=40))
@settings(deadline=None, max_examples=100)
def test_a_form_token_is_valid_for_one_job_within_an_hour(steps: list[tuple[float, str, str]]):
    window, moment = RateWindow(), at(0.5)
    owners: dict[str, tuple[datetime, str]] = {}  # by token: when it was used first, and the job
    for pause, token, job in steps:
        moment += timedelta(seconds=pause)
        decision = admit(window, NewJob(moment, "a", job, token), ())
        first, owner = owners.get(token, (None, None))
        if first and moment - first <= HOUR and owner != job and job not in window.jobs:
            assert decision.token_reused
        if decision.window is not window:
            owners[token] = (moment, job)
        window = decision.window


# --- size ------------------------------------------------------------------------------------------------------------


def digits(number: int) -> str:
    return f"{number:016x}"


def busiest() -> RateWindow:
    """Return the largest window: as many addresses and form tokens as it holds, and full hourly counters."""
    now = 1_772_366_400_000_000  # microseconds
    counters = {digits(number): (Counter(now + number, 5),) for number in range(MAX_COUNTERS - 1)}
    counters[TOTAL] = tuple(Counter(now - minute * 60 * 10**6, 10**6) for minute in range(60, 0, -1))
    jobs = {digits(number): RecentJob(now // 10**6, digits(number)) for number in range(MAX_RECENT_JOBS - 1)}
    return RateWindow(counters, jobs)


def test_the_document_stays_small_whatever_the_traffic():
    start = datetime.fromisoformat("2026-03-01T11:59:59Z")
    window = admit(busiest(), NewJob(start, "9f" * 8, "9f" * 8, "9f" * 8), policies(5, 10**9)).window
    assert (len(window.counters), len(window.jobs)) == (MAX_COUNTERS + 1, MAX_RECENT_JOBS)
    for number in range(9):
        job = NewJob(start + timedelta(seconds=number / 10), f"{number}", f"{number}", f"{number}")
        assert not admit(window, job, policies(5, 10**9)).admitted
    assert len(json.dumps(rate_window_to_document(window))) < 256 * 1_024


def test_a_full_window_rejects_new_jobs_until_there_is_space():
    window = RateWindow(counters={digits(number): (Counter(1, 1),) for number in range(MAX_COUNTERS)})
    start = datetime.fromisoformat("1970-01-01T00:00:30Z")
    decision = admit(window, NewJob(start, "new", "new"), BOTH)
    assert (decision.admitted, decision.window is window, decision.retry_seconds) == (False, True, 31)
    assert admit(window, NewJob(start + timedelta(seconds=31), "new", "new"), BOTH).admitted


def test_a_form_token_is_never_forgotten_to_make_space():
    jobs = {digits(number): RecentJob(3_600, digits(number)) for number in range(MAX_RECENT_JOBS)}
    start = datetime.fromisoformat("1970-01-01T00:10:00Z")
    for limits in (BOTH, ()):
        decision = admit(RateWindow(jobs=jobs), NewJob(start, "a", "new", "new"), limits)
        assert (decision.admitted, decision.retry_seconds) == (False, 3_000)
        later = NewJob(start + timedelta(seconds=3_000), "a", "new", "new")
        assert admit(RateWindow(jobs=jobs), later, limits).admitted
    assert admit(RateWindow(jobs=jobs), NewJob(start, "a", "new", digits(7)), BOTH).token_reused


def test_the_oldest_job_without_a_form_token_is_forgotten_to_make_space():
    jobs = {digits(number): RecentJob(9_999, None if number in (7, 8) else "t") for number in range(MAX_RECENT_JOBS)}
    start = datetime.fromisoformat("1970-01-01T00:10:00Z")
    decision = admit(RateWindow(jobs=jobs), NewJob(start, "a", "new", "new"), BOTH)
    assert decision.admitted
    assert jobs.keys() - decision.window.jobs.keys() == {digits(7)}
    assert len(decision.window.jobs) == MAX_RECENT_JOBS


def test_only_what_still_counts_is_kept():
    window = used([0, 1, 2])
    assert set(admit(window, NewJob(at(61), "b", "new"), BOTH).window.counters) == {"a", "b", TOTAL}
    assert set(admit(window, NewJob(at(62), "b", "new"), BOTH).window.counters) == {"b", TOTAL}
    kept = admit(window, NewJob(at(3_602), "b", "new"), BOTH).window
    assert (set(kept.jobs), sum(counter.jobs for counter in kept.counters[TOTAL])) == ({"a2", "new"}, 1)


def test_a_counter_covers_a_sixtieth_of_its_window():
    window = used([0, 0.2, 0.4], per_minute=100)
    assert len(window.counters["a"]) == 1
    dense = used([number / 10 for number in range(600)], per_minute=1_000, per_hour=1_000)
    assert len(dense.counters["a"]) <= 61
    assert len(dense.counters[TOTAL]) <= 2
