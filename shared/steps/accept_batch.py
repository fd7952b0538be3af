"""Accept a batch: all of its jobs are stored, or none. They wait in the queue like any other job."""

import asyncio
from collections.abc import Sequence

from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.accept import Accepted, replay
from shared.steps.chain import link
from shared.steps.input_images import find_inputs, store_inputs
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import accepted_places, sharers
from shared.steps.prepare import prepare_at_once
from shared.steps.receivers import TooManyReceivers, add_receivers, with_receivers
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import AlreadyExists, StoreUnavailable
from shared.submission import Submission, SubmissionRefused

MAX_TRIES = 5  # while others store jobs of the same batch

Outcome = Accepted | SubmissionRefused


class ItemRefused(Exception):
    """One item of a batch cannot be accepted, because of `reason`; no job was stored."""

    def __init__(self, index: int, reason: SubmissionRefused) -> None:
        super().__init__(f"item {index}")
        self.index, self.reason = index, reason


async def accept_batch(submissions: Sequence[Submission], deps: Deps, *, partial: bool) -> list[Outcome]:
    """Return the outcome of each item; with `partial`, a bad item is left out and its outcome is the reason.

    Without `partial`, raise ItemRefused for the first bad item. Raise QueueFull if not all of them may wait.
    """
    for _ in range(MAX_TRIES):
        outcomes = await plan(submissions, deps, partial=partial)
        try:
            known = await _with_receivers(outcomes, submissions, deps, new=False, partial=partial)
            stored = await _store(known, deps)
        except AlreadyExists:
            continue  # another request has just stored a job of this batch; the next plan finds it
        stored = await _with_receivers(stored, submissions, deps, new=True, partial=partial)
        await link([one.job for one in stored if isinstance(one, Accepted)], deps)
        return stored
    raise StoreUnavailable("the batch is being stored by other requests at the same time")


async def plan(submissions: Sequence[Submission], deps: Deps, *, partial: bool) -> list[Outcome]:
    """Return for each item the existing job, a new one (not stored yet), or why it is refused.

    Without `partial`, raise ItemRefused for the first bad item.
    """
    ids = [await job_id_for(submission, deps) for submission in submissions]
    keyed = [job_id for job_id, submission in zip(ids, submissions, strict=True) if submission.key]
    known = {job.id: job for job in await asyncio.gather(*map(deps.store.get, dict.fromkeys(keyed))) if job}
    outcomes: list[Outcome] = []
    for index, (job_id, submission) in enumerate(zip(ids, submissions, strict=True)):
        try:
            if job_id in known:  # stored before, or an earlier item of this batch
                outcomes.append(replay(known[job_id], submission))
                known[job_id] = with_receivers(known[job_id], submission, deps.clock.now())
                continue
            images = await store_inputs(job_id, await find_inputs(submission, deps), deps)
            known[job_id] = prepare_at_once(new_job(job_id, submission, images, deps, index), deps)
            outcomes.append(Accepted(known[job_id]))
        except SubmissionRefused as refusal:
            if not partial:
                raise ItemRefused(index, refusal) from refusal
            outcomes.append(refusal)
    return outcomes


async def _store(outcomes: Sequence[Outcome], deps: Deps) -> list[Outcome]:
    """Give the new jobs their places in the queue, one after the other, and store them."""
    new = [outcome.job for outcome in outcomes if isinstance(outcome, Accepted) and not outcome.replayed]
    if not new:
        return list(outcomes)
    async with deps.queue.recent(sharers(new[0].caller, deps)) as places:
        given = accepted_places(len(new), new[0].caller, places, deps)
        placed = [job.placed(place) for job, place in zip(new, given, strict=True)]
        stored = await wake_up_meanwhile(create_all(placed, deps), deps.clock.now(), deps)
        created = {job.id: job for job in stored}
    for job in created.values():
        deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return [
        Accepted(created.get(outcome.job.id, outcome.job), outcome.replayed)
        if isinstance(outcome, Accepted)
        else outcome
        for outcome in outcomes
    ]


async def _with_receivers(
    outcomes: Sequence[Outcome], submissions: Sequence[Submission], deps: Deps, *, new: bool, partial: bool
) -> list[Outcome]:
    """Add the receivers of repeated requests to the jobs that are `new` in this batch, or to those stored before.

    Another request may have added some since the plan: then the receivers are refused as in the plan.
    """
    created = {one.job.id for one in outcomes if isinstance(one, Accepted) and not one.replayed}
    added = list(outcomes)
    for index, (outcome, submission) in enumerate(zip(outcomes, submissions, strict=True)):
        if isinstance(outcome, Accepted) and outcome.replayed and (outcome.job.id in created) is new:
            try:
                added[index] = Accepted(await add_receivers(outcome.job, submission, deps), replayed=True)
            except TooManyReceivers as refusal:
                if not partial:
                    raise ItemRefused(index, refusal) from refusal
                added[index] = refusal
    return added


async def create_all(new: Sequence[Job], deps: Deps) -> Sequence[Job]:
    """Create the jobs, at most 100. If the store does not respond, check whether they were created before giving up."""
    try:
        return await deps.store.create_all(new)
    except StoreUnavailable:
        existing = [job for one in new if (job := await deps.store.get(one.id))]
    if not existing:
        raise StoreUnavailable("the batch could not be stored")
    if existing != list(new):
        raise AlreadyExists(existing[0])
    return existing
