"""The state of the gate as this instance knows it: one document that all instances share, read again when it is old."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from shared.ports import Clock, JobStore
from shared.spending import gate as rules
from shared.spending.gate_state import Gate
from shared.spending.suspensions import trial_times
from shared.store_errors import Conflict

MAX_AGE = 1.0  # seconds, of the state that decisions are based on
MAX_TRIES = 20  # of a write while other instances change the gate
MAX_WORKFLOWS = 20  # whose run times are stored


class KnownGate:
    """The gate's state, and its changes."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._gate: Gate | None = None
        self._read_at = -math.inf  # by the monotonic clock
        self._changing = asyncio.Lock()

    @property
    def known(self) -> Gate | None:
        """The gate's state as this instance knows it; None if it was never read."""
        return self._gate

    @property
    def age(self) -> float:
        """Seconds since the gate's state was read or written."""
        return self._clock.monotonic() - self._read_at if self._gate else math.inf

    async def recent(self) -> Gate:
        """Return the gate's state, read at most a second ago."""
        if self._gate and self.age < MAX_AGE:
            return self._gate
        return await self.read()

    async def last_known(self) -> Gate:
        """Return the gate's state as this instance knows it, of any age."""
        return self._gate or await self.read()

    async def record_run_times(self, took: Mapping[str, Sequence[float]]) -> None:
        """Store how long runs of these workflows took lately."""

        def record(gate: Gate) -> Gate:
            others = {name: known for name, known in gate.run_seconds.items() if name not in took}
            newest = [*others.items(), *((name, tuple(seconds)) for name, seconds in took.items())]
            return replace(gate, run_seconds=dict(newest[-MAX_WORKFLOWS:]))

        await self._change(record)

    async def read(self) -> Gate:
        """Return the gate's state now. What a clock that was ahead has written is corrected for all instances."""
        gate = await self._store.read_gate()
        corrected = rules.without_future(gate, self._clock.now())
        if corrected != gate:
            with suppress(Conflict):  # the next read corrects it
                corrected = await self._store.save_gate(corrected)
        return self._remember(corrected)

    def next_trial(self) -> datetime | None:
        """Return when the next trial may start, as this instance saw the gate last; None if it knows of none."""
        known = (self._gate.suspension, *self._gate.workflows) if self._gate else ()
        now = self._clock.now()
        return min((at for one in known if one for at in trial_times(one) if at > now), default=None)

    async def _change(self, change: Callable[[Gate], Gate]) -> Gate:
        """Apply `change` to the newest state, again after a conflict. Write nothing if nothing changes."""
        async with self._changing:
            gate = await self.recent()
            for _ in range(MAX_TRIES):
                changed = change(gate)
                if changed == gate:
                    return gate
                try:
                    return self._remember(await self._store.save_gate(changed))
                except Conflict:
                    gate = await self.read()
        raise Conflict("the gate is changed by too many instances at once")

    def _remember(self, gate: Gate) -> Gate:
        self._gate, self._read_at = gate, self._clock.monotonic()
        return gate
