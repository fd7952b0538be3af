"""Wake-ups come at the ends of 5-second intervals."""

from datetime import UTC, datetime, timedelta

from shared.wake_up.buckets import MAX_REMEMBERED, Remembered, bucket_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_all_moments_of_an_interval_make_one_wake_up_at_its_end():
    buckets = {bucket_of(NOON + timedelta(seconds=seconds)) for seconds in (0, 0.001, 2.5, 4.999)}
    assert len(buckets) == 1
    assert buckets.pop().at == NOON + timedelta(seconds=5)


def test_the_next_interval_has_another_name():
    assert bucket_of(NOON).name != bucket_of(NOON + timedelta(seconds=5)).name


def test_a_name_is_valid_for_cloud_tasks():
    name = bucket_of(NOON).name
    assert len(name) == 64
    assert set(name) <= set("0123456789abcdef")


def test_few_names_are_remembered():
    remembered = Remembered()
    assert all(remembered.add(str(number)) for number in range(MAX_REMEMBERED + 1))
    assert not remembered.add(str(MAX_REMEMBERED))
    assert remembered.add("0")
