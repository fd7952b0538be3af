"""Passing the gate: a slot before every paid call, given back if nothing was paid; closures are written and lifted.

The rules are `spending.gate`; here they meet the one document that all instances share.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.log import Event, Log
from shared.ports import Clock, Conflict, JobStore
from shared.spending import gate as rules
from shared.spending.gate import Gate, Limits, ResumeOn, Slot, Suspension
from shared.wireflow import errors

FRESH = timedelta(seconds=1)  # how old the gate's state may be on which a request decides
TRIES = 20  # how often a change is computed anew when others change the gate at the same time


class Admission:
    """The gate as this instance sees it."""

    def __init__(self, store: JobStore, limits: Limits, clock: Clock, log: Log) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._log = log
        self._seen: Gate | None = None
        self._seen_at: datetime | None = None
        self._turn = asyncio.Lock()

    async def try_once(self, somebody_waits: Callable[[], Awaitable[object]]) -> Slot | None:
        """A slot for a request that cannot wait, on a state of at most a second ago and if nobody waits in line.

        One request at a time: of several that try at once on the same state all but one lose for certain. Who loses
        to another instance looks anew once; a second loss means a burst.
        """
        if self._turn.locked():
            return None
        async with self._turn:
            if await somebody_waits():
                return None
            return await self._reserve(await self.recent()) or await self._reserve(await self.recent())

    async def _reserve(self, gate: Gate) -> Slot | None:
        passed, slots = rules.reserve(gate, self._limits, 1, self._clock.now())
        if not slots:
            return None
        try:
            self._remember(await self._store.save_gate(passed))
        except Conflict:
            self._seen = None
            return None
        return slots[0]

    async def take(self, wanted: int) -> list[Slot]:
        """As many slots as the gate allows now, at most `wanted`."""
        taken: list[Slot] = []

        def reserve(gate: Gate) -> Gate:
            passed, taken[:] = rules.reserve(gate, self._limits, wanted, self._clock.now())
            return passed

        try:
            await self._change(reserve)
        except Conflict:
            return []
        return taken

    async def release(self, slots: Sequence[Slot]) -> None:
        """Free the slots of executions that were not started."""
        if slots:
            await self._change(lambda gate: rules.release(gate, slots))

    async def started(self, slot: Slot) -> None:
        """A paid call was accepted: if it was the one that tries, the gate opens (a key is proved by a poll)."""
        closure = self._seen.closure if self._seen else None
        if slot.trial and not (closure and closure.by_poll):
            await self._open()

    async def refused(self, error: errors.Refused, slot: Slot) -> None:
        """A paid call was refused: its slot is given back, and the gate closes as the refusal demands."""
        closure = suspension_for(error, self._clock.now())
        await self._close(closure, lambda gate: rules.release(gate, [slot]))

    async def unclear(self, error: errors.OutcomeUnknown) -> None:
        """A paid call was not answered clearly: an outage must not cost the others their one repetition."""
        await self._close(suspension_for(error, self._clock.now()))

    async def unhealthy(self) -> None:
        """The health call did not answer 200 when it was asked for a job."""
        await self.unclear(errors.OutcomeUnknown("The health call fails.", code=ErrorCode.UPSTREAM_UNREACHABLE))

    async def key_refused(self) -> None:
        """A poll was refused for its key: what is started now could not be followed."""
        if not (self._seen and self._seen.closure):
            closure = suspension_for(errors.OperatorMustAct("", code=ErrorCode.KEY_REFUSED), self._clock.now())
            await self._close(replace(closure, by_poll=True) if closure else None)

    async def key_accepted(self) -> None:
        """A poll was answered: the key is good again, if it was a poll that was refused."""
        if self._seen and self._seen.closure and self._seen.closure.by_poll:
            await self._open()

    async def probe(self, healthy: Callable[[], Awaitable[bool]]) -> None:
        """If the gate waits for Wireflow's health and its time has come, ask: the gate opens or waits longer."""
        closure = (await self.recent()).closure
        if not closure or closure.reopening is not ResumeOn.HEALTH or closure.until > self._clock.now():
            return
        if await healthy():
            await self._open()
        else:
            await self._change(lambda gate: rules.probe_failed(gate, self._clock.now()))

    async def recent(self) -> Gate:
        """The gate's state, read at most a second ago."""
        if self._seen and self._seen_at and self._clock.now() - self._seen_at < FRESH:
            return self._seen
        return await self.read()

    async def read(self) -> Gate:
        """The gate's state now."""
        return self._remember(await self._store.read_gate())

    async def _open(self) -> None:
        before = self._seen.closure if self._seen else None
        await self._change(rules.reopen)
        self._log.info(Event.GATE_OPENED, "Jobs may start again.", errorCode=before.reason if before else None)

    async def _close(self, closure: Suspension | None, first: Callable[[Gate], Gate] = lambda gate: gate) -> None:
        """Write `closure` after `first`; both in one write."""
        after = await self._change(lambda gate: rules.close(first(gate), closure) if closure else first(gate))
        if closure and after.closure == closure:
            self._log_closed(closure)

    def _log_closed(self, closure: Suspension) -> None:
        alarm = closure.reopening is ResumeOn.TRIAL
        write = self._log.error if alarm else self._log.warning
        write(
            Event.GATE_CLOSED,
            f"No job starts for now: {EXPLANATIONS[closure.reason].message} {EXPLANATIONS[closure.reason].hint}",
            errorCode=closure.reason,
            until=closure.until.isoformat(),
            creditsRequired=closure.credits_required,
            creditsAvailable=closure.credits_available,
        )

    async def _change(self, how: Callable[[Gate], Gate]) -> Gate:
        """Apply `how` to the newest state; anew if somebody else was faster. Nothing is written if nothing changes."""
        async with self._turn:
            gate = await self.recent()
            for _ in range(TRIES):
                changed = how(gate)
                if changed == gate:
                    return gate
                try:
                    return self._remember(await self._store.save_gate(changed))
                except Conflict:
                    gate = await self.read()
        raise Conflict("the gate is changed by too many at once")

    def _remember(self, gate: Gate) -> Gate:
        self._seen, self._seen_at = gate, self._clock.now()
        return gate


def suspension_for(error: errors.WireflowError, now: datetime) -> Suspension | None:
    """What a failed paid call means for all other jobs; None if it is this job's alone."""
    if isinstance(error, errors.RequestRefused | errors.NoExecutionId):
        return None
    if isinstance(error, errors.RateLimited):
        until = error.retry_at or rules.first_probe(now)
        return Suspension(reason=error.code, reopening=ResumeOn.TIME, since=now, until=until)
    if isinstance(error, errors.OperatorMustAct):
        required, available = getattr(error, "required", None), getattr(error, "available", None)
        return Suspension(
            reason=error.code,
            reopening=ResumeOn.TRIAL,
            since=now,
            until=rules.first_trial(now),
            credits_required=required,
            credits_available=available,
        )
    reason = ErrorCode.UPSTREAM_ERROR if error.code is ErrorCode.OUTCOME_UNKNOWN else error.code
    until = error.retry_at or rules.first_probe(now)
    return Suspension(reason=reason, reopening=ResumeOn.HEALTH, since=now, until=until)
