"""Quote a request: what it would cost and when it would start. Nothing is stored, and nothing is paid."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_parts import InputImage
from shared.runtime.dependencies import Deps
from shared.runtime.places import Places
from shared.spending.money import Cost, total_cost
from shared.steps.accept import replay
from shared.steps.accept_batch import plan
from shared.steps.batch_progress import run_seconds
from shared.steps.estimate_wait import estimate_wait
from shared.steps.input_images import find_inputs
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import accepted_places, check_room, placed_or_held, sharers
from shared.steps.prepare import prepare_at_once
from shared.steps.store_batch import PlannedBatch
from shared.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`count`: the jobs that the request would create, less those of an earlier request with the same key.

    `workflow`: None if they have several. The rest is about the first of them; `queue_position` is 1 for the job that
    starts next, None if it starts now or must be prepared first.
    """

    count: int
    workflow: str | None
    estimated_cost: Cost | None
    starts_now: bool = False
    wait_reason: ErrorCode | None = None
    estimated_start: datetime | None = None
    queue_position: int | None = None


async def quote(submission: Submission, deps: Deps) -> Quote:
    """Return the quote of a single request. Raise as `accept` does."""
    job_id = await job_id_for(submission, deps)
    if submission.key and (existing := await deps.store.get(job_id)):
        replay(existing, submission)
        return _quote([], submission.workflow)
    places = await _known_places(submission.caller, deps)
    if places.head is not None or submission.files:  # it will wait
        check_room(places, 1, submission.caller, deps)
    found = await find_inputs(submission, deps)
    for image in submission.files.values():
        deps.image_from_bytes(image)  # raises ImageRefused
    images = [InputImage(source=image if isinstance(image, str) else "a file") for image in found]
    job = prepare_at_once(new_job(job_id, submission, images, deps), deps)
    if job.prepared and places.head is None and deps.admission.would_start(job):
        return _quote([job], job.workflow, starts_now=True)
    return await _waiting([job], placed_or_held(job, places, deps), places, deps)


async def quote_batch(submissions: Sequence[Submission], deps: Deps, *, partial: bool) -> Quote:
    """Return the quote of a batch, whose jobs are always queued. Raise as `accept_batch` does."""
    outcomes = await plan(submissions, deps, partial=partial)
    new = [one.job for one in outcomes if not isinstance(one, Exception) and not one.replayed]
    names = {submission.workflow for submission in submissions}
    return await _queued(new, deps) if new else _quote([], names.pop() if len(names) == 1 else None)


async def quote_rows(planned: PlannedBatch, deps: Deps) -> tuple[Quote, datetime | None]:
    """Return the quote of an upload, and when its last new job is expected to end; None if that is not known.

    Raise QueueFull.
    """
    if not planned.jobs or planned.last_start is None:
        return _quote([], None), None
    quoted = await _queued(planned.jobs, deps)
    if quoted.wait_reason and quoted.estimated_start is None:  # such as a pause
        return quoted, None
    last_start = max(planned.last_start, quoted.estimated_start or planned.last_start)
    return quoted, last_start + await run_seconds(planned.jobs[-1].workflow, deps)


async def _known_places(caller: str | None, deps: Deps) -> Places:
    """Return a copy of what is known of the queue: a quote takes no place."""
    async with deps.queue.recent(sharers(caller, deps)) as places:
        return deepcopy(places)


async def _queued(jobs: Sequence[Job], deps: Deps) -> Quote:
    """Return the quote of jobs that would be queued together. Raise QueueFull."""
    places = await _known_places(jobs[0].caller, deps)
    first, *_ = accepted_places(len(jobs), jobs[0].caller, places, deps)
    return await _waiting(jobs, jobs[0].placed(first), places, deps)


async def _waiting(jobs: Sequence[Job], first: Job, places: Places, deps: Deps) -> Quote:
    """Return the quote of jobs that would wait. `first`: the first of them, as it would be stored."""
    names = {job.workflow for job in jobs}
    workflow = names.pop() if len(names) == 1 else None
    if not first.prepared or (wait := await estimate_wait(first, deps, places)) is None:
        return _quote(jobs, workflow)
    return _quote(jobs, workflow, wait_reason=wait.reason, estimated_start=wait.until, queue_position=wait.position)


def _quote(jobs: Sequence[Job], workflow: str | None, **rest: object) -> Quote:
    cost = total_cost([cost for job in jobs for cost in job.estimates])
    return Quote(count=len(jobs), workflow=workflow, estimated_cost=cost, **rest)  # type: ignore[arg-type]
