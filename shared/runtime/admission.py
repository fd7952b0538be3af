"""Admission through the gate: reserve a slot before each paid call, release it if nothing was paid, suspend, resume.

The rules are in `spending.gate`; this module applies them to the one document that all instances share.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.callers import share_of
from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.log import Event, Log
from shared.ports import Clock, JobQuery, JobStore
from shared.runtime.known_gate import KnownGate
from shared.runtime.suspension_causes import suspension_for
from shared.spending import budget
from shared.spending import gate as rules
from shared.spending.budget import Charge, Reservation, Shortage
from shared.spending.gate_state import Candidate, Gate, Limits, ResumeOn, Slot, Suspension
from shared.spending.money import dollars
from shared.spending.suspensions import MAX_TRIAL
from shared.store_errors import Conflict, StoreUnavailable
from shared.wireflow import errors

POLLS_PASS = 60.0  # seconds: polls of a run are at most as far apart
MAX_CALLERS = 1_000  # of whom a refused job is remembered


@dataclass(slots=True, eq=False)
class _Pending:
    """A job that was just accepted, and its slot if it gets one."""

    candidate: Candidate
    slot: Slot | None = None


class Admission(KnownGate):
    """What the steps ask of the gate, and tell it."""

    def __init__(self, store: JobStore, limits: Limits, clock: Clock, log: Log) -> None:
        super().__init__(store, clock)
        self._limits, self._on_arrival_limits = limits, limits.on_arrival
        self._log = log
        self._pending: list[_Pending] = []
        self._accepted_at: dict[str, datetime] = {}  # by workflow: when its last accepted call was sent
        self._polled: dict[str, float] = {}  # by job: when a poll of its run last succeeded, by the monotonic clock
        self._refused_at: dict[str, datetime] = {}  # by share: when its last job was refused, newest last

    # --- slots -----------------------------------------------------------------------------------------------------

    async def try_acquire(self, job: Job) -> Slot | None:
        """Return a slot for a job that cannot wait, or None, as this instance knows the gate.

        Where nothing is to be counted, nothing is written. Otherwise the jobs that arrive during a write share the next
        one: of several writes that start from the same state all but one would fail.
        """
        mine = _Pending(self.candidate(job))
        reserved, slot = self._on_arrival(mine.candidate)
        if slot is None or reserved == self._gate:
            return slot
        self._pending.append(mine)
        async with self._changing:
            if mine in self._pending:
                await self._admit_pending()
        return mine.slot

    def reserves(self, job: Job) -> bool:
        """Return whether a slot for a job that was just accepted would be reserved by a write of the gate."""
        reserved, slot = self._on_arrival(self.candidate(job))
        return slot is not None and reserved != self._gate

    def would_start(self, job: Job) -> bool:
        """Return whether the gate would admit a job on arrival; nothing is reserved."""
        return self._on_arrival(self.candidate(job))[1] is not None

    def _on_arrival(self, candidate: Candidate) -> tuple[Gate | None, Slot | None]:
        """Return the gate after the arrival of a job, and its slot if it gets one, as this instance knows the gate."""
        if self._gate is None:
            return None, None
        reserved, (slot,) = rules.reserve(self._gate, self._on_arrival_limits, [candidate], self._clock.now())
        return reserved, slot

    async def _admit_pending(self) -> None:
        """Reserve slots for all jobs that have arrived, in one write. A second conflict means a burst: they wait."""
        pending, self._pending = self._pending, []
        candidates = [one.candidate for one in pending]
        for _ in range(2):
            gate = await self.recent()
            reserved, slots = rules.reserve(gate, self._on_arrival_limits, candidates, self._clock.now())
            try:
                if reserved != gate:
                    self._remember(await self._store.save_gate(reserved))
            except Conflict:
                self._gate = None
                continue
            for one, slot in zip(pending, slots, strict=True):
                one.slot = slot
            return

    async def acquire(self, jobs: Sequence[Job], wanted: int) -> list[Slot | None]:
        """Return for each job its slot, or None if it may not start now; at most `wanted` slots."""
        candidates = [self.candidate(job) for job in jobs]
        slots: list[Slot | None] = []

        def reserve(gate: Gate) -> Gate:
            reserved, slots[:] = rules.reserve(gate, self._limits, candidates, self._clock.now(), wanted)
            return reserved

        try:
            await self._change(reserve)
        except Conflict:
            return [None] * len(jobs)
        return slots

    async def release(self, slots: Sequence[Slot]) -> None:
        """Release the slots of executions that were not started."""
        if slots:
            await self._change(lambda gate: rules.release(gate, slots))

    # --- money -----------------------------------------------------------------------------------------------------

    def charge(self, job: ListedJob) -> Charge:
        """Return what the start of a job would reserve: its estimate, and that of the job that follows it.

        A job without an estimate counts as the most expensive one.
        """
        highest = self._limits.spending.highest
        return Charge(caller=job.caller, micros=sum(cost.micros if cost else highest for cost in job.estimates))

    def shortage(self, job: ListedJob, own_ahead: int = 0) -> Shortage | None:
        """Return the spend limit that keeps a job from starting, or None, as this instance knows the gate.

        `own_ahead`: jobs of its caller that start before it.
        """
        if self._gate is None or not self._limits.spending.configured:
            return None
        charge, now = self.charge(job), self._clock.now()
        return rules.shortage(self._gate, self._limits, charge, now, own_ahead, own_ahead)

    def startable(self, caller: str) -> float:
        """Return how many jobs of a caller its own limits admit now, as this instance knows the gate."""
        if self._gate is None:
            return math.inf
        return budget.startable(self._gate.budget, self._limits.spending, caller, self._clock.now())

    async def settle(self, job: Job, reservation: Reservation) -> None:
        """Replace what was reserved for a job by its cost, which is known now. One write, if they differ."""
        if job.cost is None or job.cost.micros == reservation.micros:
            return
        actual, limits = job.cost.micros, self._limits.spending

        def correct(gate: Gate) -> Gate:
            return replace(gate, budget=budget.correct(gate.budget, reservation, job.caller, actual))

        after = await self._change(correct)
        exceeded = budget.exceeded(after.budget, limits, job.caller, self._clock.now())
        if actual > reservation.micros and exceeded:
            message = "The cost of a run was higher than estimated, and a spend limit is exceeded."
            self._log.warning(Event.SPEND_LIMIT, message, estimatedCost=dollars(reservation.micros), **job.log_fields())

    # --- outcomes of calls to Wireflow ------------------------------------------------------------------------------

    async def call_started(self, job: Job, slot: Slot) -> None:
        """A paid call was accepted: the suspensions that it tried end.

        A suspension that a poll caused stays: a poll must show that the key works.
        """
        self._accepted_at[job.workflow] = slot.at
        if not slot.trials:
            return
        ended: list[Suspension] = []

        def resume(gate: Gate) -> Gate:
            after = rules.trial_succeeded(gate, slot, job.workflow, self._clock.now())
            ended[:] = [trial for trial in slot.trials if rules.suspension_of(after, trial.workflow) is None]
            return after

        await self._change(resume)
        for suspension in ended:
            self._log_resumed(suspension)

    async def call_refused(self, job: Job, error: errors.Refused, slot: Slot, *, alone: bool) -> None:
        """A paid call was refused: its start is released; others are suspended if the refusal may concern them.

        A request that was refused as invalid shows nothing about others: its trial is released. `alone`: others are
        known to pass.
        """
        if not isinstance(error, errors.RateLimited):
            self._remember_refusal(job)
        if isinstance(error, errors.RequestRefused):
            await self.release([slot])
            return
        # That it concerns one workflow is known already.
        narrowed = any(trial.workflow and trial.reason is error.code for trial in slot.trials)
        suspension = None if alone or narrowed else suspension_for(error, self._clock.now(), job)
        await self._suspend(suspension, lambda gate: rules.trial_failed(gate, slot))

    async def is_refused_alone(self, job: Job, error: errors.Refused, slot: Slot) -> bool:
        """Return whether the job is refused again for a reason for which others of its workflow are not.

        One of them was accepted since its last refusal, or it was refused alone before and nothing is suspended since.
        """
        refusal, accepted_at = job.refusal, self._accepted_at.get(job.workflow)
        if slot.trials or refusal is None or refusal.reason is not error.code:
            return False
        if not isinstance(error, errors.OperatorMustAct):
            return False
        if refusal.times > 1 or (accepted_at and accepted_at > refusal.at):
            return True
        return await self._has_started(job.workflow, refusal.at)

    async def _has_started(self, workflow: str, since: datetime) -> bool:
        """Return whether any instance has started a job of the workflow since then, as its newest jobs show."""
        states = (Status.RUNNING, Status.COPYING, Status.SUCCEEDED)
        queries = [JobQuery(limit=1, workflow=workflow, status=status) for status in states]
        try:
            found = await asyncio.gather(*map(self._store.list_jobs, queries))
        except StoreUnavailable:
            return False
        return any(job.started_at and job.started_at > since for jobs in found for job in jobs)

    async def outcome_unknown(self, error: errors.OutcomeUnknown) -> None:
        """A paid call had an unknown outcome: an outage must not use up the only retry of other jobs."""
        await self._suspend(suspension_for(error, self._clock.now()))

    async def health_check_failed(self) -> None:
        """The health call before a retry failed."""
        error = errors.OutcomeUnknown("The health call failed.", code=ErrorCode.UPSTREAM_UNREACHABLE)
        await self.outcome_unknown(error)

    async def run_not_followed(self, job: Job) -> None:
        """A poll was refused for its key, or does not know a run that was started: new runs could not be followed.

        Unless a poll of another job has just succeeded: then something else is wrong with this run.
        """
        current = self._gate.suspension if self._gate else None
        if current and current.resume_on in (ResumeOn.TRIAL, ResumeOn.OPERATOR):
            return
        since = self._clock.monotonic() - POLLS_PASS
        if any(at > since for job_id, at in self._polled.items() if job_id != job.id):
            return
        suspension = suspension_for(errors.OperatorMustAct("", code=ErrorCode.KEY_REFUSED), self._clock.now())
        await self._suspend(replace(suspension, by_poll=True) if suspension else None)

    async def poll_succeeded(self, job: Job) -> None:
        """A poll succeeded: the key works again, if a poll had been refused."""
        now = self._clock.monotonic()
        self._polled = {job_id: at for job_id, at in self._polled.items() if at > now - POLLS_PASS} | {job.id: now}
        if self._gate and self._gate.suspension and self._gate.suspension.by_poll:
            await self._resume(self._gate.suspension)

    async def probe_health(self, healthy: Callable[[], Awaitable[bool]]) -> None:
        """If the gate waits for Wireflow's health and a probe is due, make it: the gate resumes, or waits longer."""
        suspension = (await self.recent()).suspension
        if not suspension or suspension.resume_on is not ResumeOn.HEALTH or suspension.until > self._clock.now():
            return
        if await healthy():
            await self._resume(suspension)
            return
        now = self._clock.now()  # of several probes at once only the first counts
        await self._change(lambda gate: rules.probe_failed(gate, now) if gate.suspension == suspension else gate)

    # --- the operator ------------------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """No job starts until the operator resumes."""
        now = self._clock.now()
        await self._suspend(
            Suspension(reason=ErrorCode.PAUSED, resume_on=ResumeOn.OPERATOR, since=now, until=now + MAX_TRIAL)
        )

    async def resume_all(self) -> None:
        """End every suspension."""
        before = await self.read()
        await self._change(lambda gate: replace(gate, suspension=None, workflows=()))
        for suspension in filter(None, (before.suspension, *before.workflows)):
            self._log_resumed(suspension)

    # --- suspensions -----------------------------------------------------------------------------------------------

    async def _resume(self, ended: Suspension) -> None:
        """End this suspension. One that has replaced it, such as the operator's pause, stays."""
        found: list[Suspension] = []

        def resume(gate: Gate) -> Gate:
            current = gate.suspension
            found[:] = [current] if current and (current.since, current.reason) == (ended.since, ended.reason) else []
            return rules.resume(gate) if found else gate

        await self._change(resume)
        for suspension in found:
            self._log_resumed(suspension)

    def _log_resumed(self, suspension: Suspension) -> None:
        whose = f"Jobs of the workflow {suspension.workflow}" if suspension.workflow else "Jobs"
        fields = {"errorCode": suspension.reason, "workflow": suspension.workflow}
        self._log.info(Event.GATE_OPENED, f"{whose} may start again.", **fields)

    async def _suspend(self, suspension: Suspension | None, first: Callable[[Gate], Gate] = lambda gate: gate) -> None:
        """Apply `first` and then `suspension`, in one write."""
        after = await self._change(lambda gate: rules.suspend(first(gate), suspension) if suspension else first(gate))
        if not suspension or rules.suspension_of(after, suspension.workflow) != suspension:
            return
        write = self._log.error if suspension.resume_on is ResumeOn.TRIAL else self._log.warning
        explanation = EXPLANATIONS[suspension.reason]
        advice = explanation.hint if explanation.waitable else "They resume automatically."
        whose = f"Starts of the workflow {suspension.workflow} are" if suspension.workflow else "Starts are"
        write(
            Event.GATE_CLOSED,
            f"{whose} suspended. {explanation.message} {advice}",
            errorCode=suspension.reason,
            workflow=suspension.workflow,
            until=suspension.until.isoformat(),
            creditsRequired=suspension.credits_required,
            creditsAvailable=suspension.credits_available,
        )

    def candidate(self, job: Job) -> Candidate:
        """Return what the gate is told of a job that would start."""
        share = share_of(job.caller)
        return Candidate(
            workflow=job.workflow,
            caller=share,
            refused_for=job.refusal.reason if job.refusal else None,
            caller_refused_at=self._refused_at.get(share),
            charge=self.charge(job),
            chosen=bool(job.chosen),
        )

    def _remember_refusal(self, job: Job) -> None:
        share = share_of(job.caller)
        self._refused_at.pop(share, None)
        self._refused_at[share] = self._clock.now()
        if len(self._refused_at) > MAX_CALLERS:
            del self._refused_at[next(iter(self._refused_at))]
