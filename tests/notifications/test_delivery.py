"""The rules of delivery: when a receiver that throttles is called again."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.notifications.delivery import MAX_RETRY_AFTER, retry_after
from shared.notifications.port import ReceiverResponse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("header", "later"),
    [
        ("0", timedelta(0)),
        (" 3600 ", HOUR),
        ("9" * 5_000, MAX_RETRY_AFTER),
        ("Sun, 01 Mar 2026 13:00:00 GMT", HOUR),
        ("Sunday, 01-Mar-26 13:00:00 GMT", HOUR),
        ("Sun Mar  1 13:00:00 2026", HOUR),
        ("Sun, 01 Mar 2026 14:00:00 +0100", HOUR),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Mon, 01 Jan 0001 00:00:00 +2359", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER),
    ],
)
def test_seconds_and_the_dates_of_http_are_obeyed_within_a_day(header: str, later: timedelta) -> None:
    assert retry_after(ReceiverResponse(status=503, retry_after=header), NOW) == NOW + later


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "1e3", "²", "2026-03-01T13:00:00Z", "\x00"])
def test_anything_else_is_as_if_it_were_absent(header: str | None) -> None:
    assert retry_after(ReceiverResponse(status=503, retry_after=header), NOW) is None
