"""The types of the options --since and --until, and of --from and --to."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(?P<count>\d{1,4})(?P<unit>[mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class TimeType(click.DateTime):
    """A day or a time in ISO 8601, or how long ago it was: `30m`, `1h`, `2d`. Its value is a naive datetime in UTC.

    A time without an offset is in UTC.
    """

    name = "time"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time. Raises click.BadParameter if the text is none."""
        ago = _AGO.fullmatch(value) if isinstance(value, str) else None
        if ago:
            return self._ago(ago, datetime.now(UTC))
        with suppress(click.BadParameter):
            return super().convert(value, param, ctx)
        try:
            moment = datetime.fromisoformat(value.upper())
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        except (ValueError, OverflowError):  # an offset leads out of the calendar
            examples = "2026-01-31, 2026-01-31T18:30 (UTC), or 2026-01-31T18:30+02:00"
            self.fail(f"{value!r} is not a day or time such as {examples}, nor 30m, 1h, or 2d.", param, ctx)

    def _ago(self, ago: re.Match[str], now: datetime) -> datetime:
        before = timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
        return (now - before).replace(tzinfo=None)


TIME = TimeType()


def utc_text(moment: datetime) -> str:
    """Return a naive datetime in UTC as RFC 3339, to the microsecond."""
    return f"{moment.isoformat()}Z"


class DayType(click.DateTime):
    """A day. Its value is a naive datetime."""

    name = "day"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the day. Raises click.BadParameter if the text is none."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a day such as 2026-02-01 (year-month-day).", param, ctx)


DAY = DayType()
