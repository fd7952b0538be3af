"""Times in options: days and times in UTC, and how long ago."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from functions.cli.times import TIME, utc_text


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


WRONG = ["1w", "h", "-1h", "1 h", "yesterday", "2026-13-01", "\u0661h", "T18:30", "2026-01-31T18:30+2"]
TOO_FAR = ["999999d", "99999d", "0001-01-01T00:00+14:00", "9999-12-31T23:59-01:00"]


@pytest.mark.parametrize("text", [*WRONG, *TOO_FAR])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="30m, 1h, or 2d"):
        TIME.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-29T23:17:59.297Z", "2026-11-29T23:17:59.297000Z"),
        ("2026-11-29t23:17:59z", "2026-11-29T23:17:59Z"),
        ("2026-01-31T18:30+02:00", "2026-01-31T16:30:00Z"),
        ("2026-01-31T22:30:00.123456-05:00", "2026-02-01T03:30:00.123456Z"),
        ("2026-01-31 18:30", "2026-01-31T18:30:00Z"),
    ],
)
def test_a_time_may_be_any_time_in_iso_8601_such_as_those_that_commands_print(text: str, utc: str) -> None:
    assert utc_text(TIME.convert(text, None, None)) == utc
