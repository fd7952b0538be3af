"""The usage of days: closed ones as they are stored, open ones computed from their jobs, at most once a minute."""

from datetime import UTC, date, datetime, time, timedelta

from shared.ports import Clock, JobQuery, JobStore
from shared.spending.usage import UsageDay, UsageRow, usage_of_day

MAX_AGE = 60.0  # seconds, of the usage of an open day
CLOSE_MINUTE = 50  # of an hour, from which on days are closed
PAGE = 500  # jobs of one read
MAX_DAYS = 400  # that are remembered


class UsageDays:
    """The days as this instance knows them."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._computed: dict[str, tuple[float, UsageDay]] = {}
        self._closed: set[str] = set()
        self._closed_in: tuple[date, int] | None = None  # the last hour in which it was tried

    async def read(self, day: date) -> UsageDay:
        """Return the usage of a day. Raise StoreUnavailable."""
        name, seconds = day.isoformat(), self._clock.monotonic()
        if (known := self._computed.get(name)) and seconds - known[0] < MAX_AGE:
            return known[1]
        usage = None
        if day < self._clock.now().date():
            usage = await self._store.read_usage(name)
        usage = usage or await self._compute(day)
        self._computed = {kept: known for kept, known in self._computed.items() if seconds - known[0] < MAX_AGE}
        if len(self._computed) < MAX_DAYS:
            self._computed[name] = (seconds, usage)
        return usage

    async def close(self, count: int) -> None:
        """Store the usage of the last `count` days, of those whose jobs are all settled; once an hour, near its end.

        A day is computed anew, so a second try or another instance stores the same. Raise StoreUnavailable.
        """
        now = self._clock.now()
        hour = (now.date(), now.hour)
        if now.minute < CLOSE_MINUTE or self._closed_in == hour:
            return
        self._closed_in = hour
        days = [now.date() - timedelta(days=number) for number in range(1, count + 1)]
        for day in days:
            if day.isoformat() not in self._closed:
                await self._close(day)
        self._closed &= {day.isoformat() for day in days}

    async def _close(self, day: date) -> None:
        name = day.isoformat()
        if await self._store.read_usage(name) is None:
            usage = await self._compute(day)
            if not usage.settled:
                return
            if usage.tallies:
                await self._store.save_usage(usage)
        self._closed.add(name)

    async def _compute(self, day: date) -> UsageDay:
        """Read the jobs of a day, from the last one to the first one."""
        begins = datetime.combine(day, time(), UTC)
        before, rows = (begins + timedelta(days=1), "0"), list[UsageRow]()
        while True:
            page = await self._store.usage_rows(JobQuery(limit=PAGE, since=begins, before=before))
            rows += page
            if len(page) < PAGE:
                return usage_of_day(day.isoformat(), rows)
            before = (page[-1].created_at, page[-1].id)
