"""Times in options: days and times in UTC, and how long ago."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from functions.cli.times import TIME


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30m", timedelta(minutes=30)), ("1h", timedelta(hours=1)), ("2d", timedelta(days=2)), ("0d", timedelta())],
)
def test_a_time_may_be_how_long_ago_it_was(text: str, ago: timedelta) -> None:
    before = datetime.now(UTC).replace(tzinfo=None) - ago
    assert before <= TIME.convert(text, None, None) <= datetime.now(UTC).replace(tzinfo=None) - ago


def test_a_time_may_be_a_day_or_a_time_in_utc() -> None:
    assert TIME.convert("2026-01-31", None, None) == datetime(2026, 1, 31)  # noqa: DTZ001 - naive times are in UTC
    assert TIME.convert("2026-01-31T18:30:00Z", None, None) == datetime(2026, 1, 31, 18, 30)  # noqa: DTZ001 - as above


@pytest.mark.parametrize("text", ["1w", "h", "-1h", "1 h", "999999d", "99999d", "yesterday", "2026-13-01", "\u0661h"])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="30m, 1h, or 2d"):
        TIME.convert(text, None, None)
