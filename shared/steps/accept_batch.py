"""Accepting an array of requests: all of them are in the store, or none; then they wait in line like any other."""

import asyncio
from collections.abc import Sequence

from shared.job import Job
from shared.log import Event
from shared.ports import AlreadyExists, StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.steps.input_images import InputRefused, source_of
from shared.steps.prepare import prepared
from shared.submission import Accepted, KeyReused, Submission, id_of, new_job, replay

TRIES = 5  # while others record the same rows

Outcome = Accepted | KeyReused | InputRefused


class ItemRefused(Exception):
    """One row of an array cannot be accepted, for the reason `why`; nothing was recorded."""

    def __init__(self, row: int, why: KeyReused | InputRefused) -> None:
        super().__init__(f"row {row}")
        self.row, self.why = row, why


async def accept_batch(submissions: Sequence[Submission], deps: Deps, *, partial: bool) -> list[Outcome]:
    """What became of each row. ItemRefused for the first bad one, unless `partial` leaves such rows out."""
    for _ in range(TRIES):
        outcomes = await _plan(submissions, deps)
        for row, outcome in enumerate(outcomes):
            if isinstance(outcome, Exception) and not partial:
                raise ItemRefused(row, outcome)
        try:
            return await _record(outcomes, deps)
        except AlreadyExists:
            continue  # somebody else has just recorded a row of these: now it is there
    raise StoreUnavailable("the rows are being recorded by others at the same time")


async def _plan(submissions: Sequence[Submission], deps: Deps) -> list[Outcome]:
    """For each row the job that is there, a new one (without a revision), or what is wrong with it."""
    ids = [await id_of(submission, deps) for submission in submissions]
    known = {job.id: job for job in await asyncio.gather(*(deps.store.get(one) for one in ids)) if job}
    outcomes: list[Outcome] = []
    for row, (job_id, submission) in enumerate(zip(ids, submissions, strict=True)):
        try:
            if job_id in known:  # also by an earlier row of this array
                outcomes.append(replay(known[job_id], submission))
                continue
            source = await source_of(submission, deps)
            known[job_id] = prepared(new_job(job_id, submission, source, deps, row), deps)
            outcomes.append(Accepted(known[job_id]))
        except (KeyReused, InputRefused) as refusal:
            outcomes.append(refusal)
    return outcomes


async def _record(outcomes: Sequence[Outcome], deps: Deps) -> list[Outcome]:
    new = [outcome.job for outcome in outcomes if isinstance(outcome, Accepted) and not outcome.replayed]
    created = {job.id: job for job in await _create_all(new, deps)}
    for job in created.values():
        deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return [_recorded(outcome, created) for outcome in outcomes]


async def _create_all(new: Sequence[Job], deps: Deps) -> Sequence[Job]:
    """Create the jobs; if the store does not answer, look whether they are there all the same before giving up."""
    if not new:
        return ()
    try:
        return await deps.store.create_all(new)
    except StoreUnavailable:
        there = [job for one in new if (job := await deps.store.get(one.id))]
    if not there:
        raise StoreUnavailable("the array could not be recorded")
    if there != list(new):
        raise AlreadyExists(there[0])
    return there


def _recorded(outcome: Outcome, created: dict[str, Job]) -> Outcome:
    if isinstance(outcome, Accepted):
        return Accepted(created.get(outcome.job.id, outcome.job), outcome.replayed)
    return outcome
