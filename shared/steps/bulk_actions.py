"""Apply an action to every job that a filter selects, at most `limit` at a time.

A paid action happens once for its idempotency key: the jobs and their attempts are stored before the first of them is
changed. A repeat, after a crash in between or while the queue was full, retries only those of them that are still in
that attempt. Once each of these jobs was retried or skipped, a repeat gets the same response.

After a repeatable action the jobs still match the filter, so the next request needs an earlier `until` to get further.
After any other the same filter selects the jobs that are left.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared import idempotency
from shared.bulk_action import BulkAction
from shared.error_codes import ErrorCode
from shared.idempotency import IdempotencyKey
from shared.job import Job
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.ports import JobQuery
from shared.runtime.dependencies import Deps
from shared.spending.money import Cost, public_cost, total_cost
from shared.steps.accept import KeyReused
from shared.steps.action_refused import ActionRefused
from shared.steps.actions import ACTIONS, Action, act
from shared.steps.placing import QueueFull
from shared.store_errors import Conflict

MAX_EXAMINED = 10_000  # jobs of one request, the newest
PAGE = 200
AT_ONCE = 8
STEP = timedelta(microseconds=1)  # `until` is exclusive
CONFLICT_SECONDS = 5  # until others have stopped changing a job
FIRST_ID = "0"  # sorts before every job id


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant; None matches any. `until` is exclusive; `limit`: how many are changed.

    A repeatable action that is free exceeds the limit if more jobs than that were created in the same microsecond.
    """

    limit: int
    caller: str | None = None
    status: Status | None = None
    error_code: ErrorCode | None = None
    workflow: str | None = None
    batch_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """A request for a bulk action. `key` and `fingerprint`: of a paid one, and who sent it."""

    action: str
    filter: JobFilter
    dry_run: bool = False
    key: str | None = None
    fingerprint: str = ""
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class _Selection:
    """`jobs`: the first ones to which the action applies; `skipped`: how many it does not apply to.

    `next_until`: the `until` of a filter that selects from the jobs that are left; None if none are, or if the same
    filter selects them.
    """

    matched: int
    skipped: int
    jobs: Sequence[ListedJob]
    next_until: datetime | None = None


@dataclass(slots=True)
class _Outcomes:
    """`retry_seconds`: until those that are neither done nor skipped may be tried again; None if there are none."""

    done: dict[str, Job]
    skipped: int = 0
    retry_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What was done, as JSON values. `retry_seconds`: until the same request continues, None if it has ended."""

    response: Mapping[str, Any]
    retry_seconds: int | None = None


async def act_on_all(request: BulkRequest, deps: Deps) -> BulkResult:
    """Return what was done; with `dry_run` what would be done.

    Raise KeyReused if the key was used with another request, or StoreUnavailable: then the same request continues.
    """
    action = ACTIONS[request.action]
    if action.paid and request.key and not request.dry_run:
        return await _act_once(request, action, request.key, deps)
    selected = await _select(request, action, deps)
    if request.dry_run:
        estimates = [cost for job in selected.jobs for cost in job.estimates] if action.paid else []
        ids = [job.id for job in selected.jobs]
        response = _response(request, selected.matched, selected.skipped, ids, estimates, done=0)
        return BulkResult(response | _next(selected.next_until))
    plan = {job.id: job.attempt for job in selected.jobs}
    outcomes = await _run(action, plan, deps)
    response = _summary(request, action, selected.matched, selected.skipped, outcomes)
    return BulkResult(response | _next(selected.next_until), outcomes.retry_seconds)


async def _act_once(request: BulkRequest, action: Action, key: str, deps: Deps) -> BulkResult:
    """Do what was planned under this key; plan it if nothing was. The response is final once nothing of it is left."""
    secret = await deps.store.id_secret()
    action_id = idempotency.job_id(IdempotencyKey("action", key), request.sender, secret)
    planned = await deps.store.read_action(action_id) or await _plan(request, action, action_id, deps)
    if planned.fingerprint != request.fingerprint:
        raise KeyReused
    if planned.response is not None:
        return BulkResult(planned.response)
    outcomes = await _run(action, planned.plan, deps)
    response = _summary(request, action, planned.matched, planned.skipped, outcomes) | _next(planned.next_until)
    if outcomes.retry_seconds:
        return BulkResult(response, outcomes.retry_seconds)
    try:
        await deps.store.save_action(replace(planned, response=response))
    except Conflict:  # an equal request at the same time was faster
        planned = await deps.store.read_action(action_id) or planned
    return BulkResult(planned.response or response)


async def _plan(request: BulkRequest, action: Action, action_id: str, deps: Deps) -> BulkAction:
    selected = await _select(request, action, deps)
    plan = BulkAction(
        id=action_id,
        fingerprint=request.fingerprint,
        plan={job.id: job.attempt for job in selected.jobs},
        matched=selected.matched,
        skipped=selected.skipped,
        next_until=selected.next_until,
    )
    try:
        return await deps.store.save_action(plan)
    except Conflict:
        if existing := await deps.store.read_action(action_id):
            return existing
        raise


async def _select(request: BulkRequest, action: Action, deps: Deps) -> _Selection:
    """Read the jobs of the filter, newest first."""
    wanted, query = request.filter, _query(request.filter)
    before = (wanted.until, FIRST_ID) if wanted.until else None
    matched = skipped = 0
    found: list[ListedJob] = []  # at most `limit`, and if there are more, all that were created with the next one
    for _ in range(MAX_EXAMINED // PAGE):
        page = await deps.store.list_jobs(replace(query, before=before))
        for job in page:
            if not _matches(job, wanted):
                continue
            matched += 1
            if not action.applies(job):
                skipped += 1
            elif len(found) <= wanted.limit or job.created_at == found[-1].created_at:
                found.append(job)
        before = (page[-1].created_at, page[-1].id) if len(page) == PAGE else None
        if before is None:
            break
    older = before[0] + STEP if before else None
    jobs, until = _cut(found, action, wanted.limit, older)
    all_found = older is None and len(jobs) == matched - skipped
    same_filter = len(found) > wanted.limit and not action.repeatable and not request.dry_run
    return _Selection(matched, skipped, jobs, None if all_found or same_filter else until)


def _query(wanted: JobFilter) -> JobQuery:
    return JobQuery(
        limit=PAGE,
        caller=wanted.caller,
        status=wanted.status,
        workflow=wanted.workflow,
        batch_id=wanted.batch_id,
        since=wanted.since,
    )


def _matches(job: ListedJob, wanted: JobFilter) -> bool:
    """Whether a job that the store has listed matches the rest of the filter."""
    if job.erased_at:
        return False
    return not wanted.error_code or bool(job.finished and job.error and job.error.code is wanted.error_code)


def _cut(
    found: Sequence[ListedJob], action: Action, limit: int, older: datetime | None
) -> tuple[Sequence[ListedJob], datetime | None]:
    """Return the jobs of this request, and the `until` with which the next one selects the rest.

    A time cannot divide jobs that were created in the same microsecond: they are left to the next request together, so
    that none is missed and none is changed twice. `older`: the `until` that selects what was not examined.
    """
    if not action.repeatable:  # the jobs do not match afterwards, so it does no harm to select them again
        return found[:limit], older
    until = found[limit].created_at + STEP if len(found) > limit else older
    newer = [job for job in found if until is None or job.created_at >= until]
    if until is None or newer or len(found) <= limit:
        return newer, until
    if action.paid:  # never more than were agreed to
        return found[:limit], until
    return found, until - STEP  # all of that microsecond: with fewer, the next request would select the same ones


async def _run(action: Action, plan: Mapping[str, int], deps: Deps) -> _Outcomes:
    """Apply the action to the jobs of a plan."""
    outcomes, slots = _Outcomes({}), asyncio.Semaphore(AT_ONCE)

    async def run(job_id: str, attempt: int) -> None:
        async with slots:
            job = await deps.store.get(job_id)
            if job is None:
                outcomes.skipped += 1
            elif action.paid and job.attempt > attempt:  # done before, by a request with the same key
                outcomes.done[job_id] = job
            else:
                outcomes.done[job_id] = await _apply(action, job, attempt, deps)

    errors = await asyncio.gather(*(run(*item) for item in plan.items()), return_exceptions=True)
    outcomes.skipped += sum(isinstance(error, ActionRefused) for error in errors)
    for error in errors:
        if isinstance(error, QueueFull | Conflict):
            seconds = error.retry_seconds if isinstance(error, QueueFull) else CONFLICT_SECONDS
            outcomes.retry_seconds = max(outcomes.retry_seconds or 1, seconds)
        elif isinstance(error, BaseException) and not isinstance(error, ActionRefused):
            raise error
    outcomes.done = {job_id: outcomes.done[job_id] for job_id in plan if job_id in outcomes.done}
    return outcomes


async def _apply(action: Action, job: Job, attempt: int, deps: Deps) -> Job:
    """Return the job after the action. Raise the errors of `act`."""
    try:
        return await act(action, job, attempt, deps)
    except ActionRefused:
        newest = await deps.store.get(job.id) if action.paid else None
        if newest is None or newest.attempt <= attempt:
            raise
        return newest  # an equal request has retried it since it was read


def _next(until: datetime | None) -> dict[str, Any]:
    return {"nextUntil": until.isoformat()} if until else {}


def _summary(request: BulkRequest, action: Action, matched: int, skipped: int, outcomes: _Outcomes) -> dict[str, Any]:
    estimates = [cost for job in outcomes.done.values() for cost in job.estimates] if action.paid else []
    ids = list(outcomes.done)
    return _response(request, matched, skipped + outcomes.skipped, ids, estimates, done=len(ids))


def _response(
    request: BulkRequest, matched: int, skipped: int, ids: list[str], estimates: list[Cost | None], *, done: int
) -> dict[str, Any]:
    return {
        "action": request.action,
        "dryRun": request.dry_run,
        "matched": matched,
        "done": done,
        "skipped": skipped,
        "estimatedCost": public_cost(total_cost(estimates)),
        "jobs": ids,
    }
