"""The usage of days: closed ones as they are stored, open ones computed from their jobs, at most once a minute."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from shared.ports import Clock, JobQuery, JobStore
from shared.spending.usage import UsageDay, UsageVersions
from shared.store_errors import Conflict, StoreUnavailable

MAX_AGE = 60.0  # seconds, of the usage of an open day
CLOSE_MINUTE = 50  # of an hour, from which on days are closed
PAGE = 500  # jobs of one read
AT_ONCE = 16  # days that are read at the same time
MAX_DAYS = 400  # that are remembered
WRITTEN_AGO = 10.0  # seconds
MAX_TRIES = 5  # while other instances do the same


class UsageDays:
    """The days as this instance knows them."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._computed: dict[str, tuple[float, UsageDay]] = {}
        self._closed: set[str] = set()  # versions of days
        self._versions = (-math.inf, UsageVersions())  # when it was read
        self._invalidating = asyncio.Lock()
        self._invalidated_at: dict[str, float] = {}  # by day: when this instance has last invalidated it
        self._closed_in: tuple[date, int] | None = None  # the last hour in which it was tried

    async def read(self, days: Sequence[date]) -> list[UsageDay]:
        """Return the usage of each of the days. Raise StoreUnavailable."""
        over = any(day < self._clock.now().date() for day in days)
        versions = await self._recent_versions() if over else UsageVersions()
        found = list[UsageDay]()
        for start in range(0, len(days), AT_ONCE):
            found += await asyncio.gather(*(self._read(day, versions) for day in days[start : start + AT_ONCE]))
        return found

    async def _read(self, day: date, versions: UsageVersions) -> UsageDay:
        name, seconds = day.isoformat(), self._clock.monotonic()
        if (known := self._computed.get(name)) and seconds - known[0] < MAX_AGE:
            return known[1]
        usage = None
        if day < self._clock.now().date():
            usage = await self._store.read_usage(versions.version(name))
        usage = replace(usage, day=name) if usage else await self._compute(day)
        self._computed = {kept: known for kept, known in self._computed.items() if seconds - known[0] < MAX_AGE}
        if len(self._computed) < MAX_DAYS:
            self._computed[name] = (seconds, usage)
        return usage

    async def _recent_versions(self) -> UsageVersions:
        read_at, versions = self._versions
        if self._clock.monotonic() - read_at >= MAX_AGE:
            versions = await self._store.read_usage_versions()
            self._versions = (self._clock.monotonic(), versions)
        return versions

    async def invalidate(self, day: date) -> None:
        """Have a closed day computed again, because one of its jobs is about to change. Raise StoreError.

        The days of many jobs that change together are written once: days are closed only once an hour.
        """
        async with self._invalidating:
            name, seconds = day.isoformat(), self._clock.monotonic()
            if day >= self._clock.now().date() or seconds - self._invalidated_at.get(name, -math.inf) < WRITTEN_AGO:
                return
            for _ in range(MAX_TRIES):
                with suppress(Conflict):
                    await self._store.save_usage_versions((await self._store.read_usage_versions()).plus(name))
                    self._invalidated_at[name] = seconds
                    self._versions = (-math.inf, UsageVersions())
                    self._computed.pop(name, None)
                    return
            raise StoreUnavailable("the usage of the day is being changed by other instances")

    async def close(self, count: int) -> None:
        """Store the usage of the last `count` days, of those whose jobs are all settled; once an hour, near its end.

        So is the usage of older days that is out of date. A day is computed anew, so a second try or another instance
        stores the same. Raise StoreUnavailable.
        """
        now = self._clock.now()
        hour = (now.date(), now.hour)
        if now.minute < CLOSE_MINUTE or self._closed_in == hour:
            return
        self._closed_in = hour
        versions = await self._store.read_usage_versions()
        days = {now.date() - timedelta(days=number) for number in range(1, count + 1)}
        days |= {date.fromisoformat(name) for name in versions.days}
        for day in sorted(days, reverse=True):
            await self._close(day, versions.version(day.isoformat()))
        self._closed &= {versions.version(day.isoformat()) for day in days}

    async def _close(self, day: date, version: str) -> None:
        """Store the usage of a day under the name of its version, unless that is done."""
        if version in self._closed:
            return
        if await self._store.read_usage(version) is None:
            usage = await self._compute(day)
            if not usage.settled:
                return
            if usage.tallies:
                await self._store.save_usage(replace(usage, day=version))
        self._closed.add(version)

    async def _compute(self, day: date) -> UsageDay:
        """Read the jobs of a day, from the last one to the first one."""
        begins = datetime.combine(day, time(), UTC)
        before, usage = (begins + timedelta(days=1), "0"), UsageDay(day.isoformat())
        while True:
            page = await self._store.usage_rows(JobQuery(limit=PAGE, since=begins, before=before))
            usage = usage.plus(page)
            if len(page) < PAGE:
                return usage
            before = (page[-1].created_at, page[-1].id)
