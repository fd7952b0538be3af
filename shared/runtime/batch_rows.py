"""The jobs of batches as an instance knows them: reading a thousand jobs costs as many reads."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from shared.batches import BatchRow
from shared.ports import Clock, JobStore

MIN_SECONDS, ROWS_PER_SECOND = 1.0, 100  # how long rows are kept: ten seconds for a thousand
MAX_BATCHES = 20


@dataclass(frozen=True, slots=True)
class _Known:
    rows: Sequence[BatchRow]
    read_at: float  # by the monotonic clock


class BatchRows:
    """The rows that this instance has read lately."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, batch_id: str) -> Sequence[BatchRow]:
        """Return the jobs of a batch, as they were at most ten seconds ago."""
        now, known = self._clock.monotonic(), self._known.get(batch_id)
        if known and now - known.read_at < max(MIN_SECONDS, len(known.rows) / ROWS_PER_SECOND):
            return known.rows
        return await self.refreshed(batch_id)

    def forget(self, batch_id: str) -> None:
        """Read the jobs of a batch again when they are next needed: this instance has changed them."""
        self._known.pop(batch_id, None)

    async def refreshed(self, batch_id: str) -> Sequence[BatchRow]:
        """Return the jobs of a batch as they are now."""
        rows = await self._store.batch_rows(batch_id)
        self._known[batch_id] = _Known(rows, self._clock.monotonic())
        self._known.move_to_end(batch_id)
        if len(self._known) > MAX_BATCHES:
            self._known.popitem(last=False)
        return rows
