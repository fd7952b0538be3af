"""Apply an action to every job that a filter selects, at most `limit` at a time.

A paid action happens once for its idempotency key: the jobs and their attempts are stored before the first of them is
changed. A repeat, after a crash in between or while the queue was full, retries only those of them that are still in
that attempt. Once each of these jobs was retried or skipped, a repeat gets the same response.
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
    """Which jobs are meant; None matches any. `until` is exclusive; `limit`: how many are changed."""

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

    `next_until`: older jobs were not examined, and a filter with this `until` selects from them; None if all were.
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
    selected = await _select(request.filter, action, deps)
    if request.dry_run:
        estimates = [cost for job in selected.jobs for cost in job.estimates] if action.paid else []
        ids = [job.id for job in selected.jobs]
        response = _response(request, selected.matched, selected.skipped, ids, estimates, done=0)
        return BulkResult(response | _next(selected))
    plan = {job.id: job.attempt for job in selected.jobs}
    outcomes = await _run(action, plan, deps)
    response = _summary(request, action, selected.matched, selected.skipped, outcomes)
    return BulkResult(response | _next(selected), outcomes.retry_seconds)


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
    response = _summary(request, action, planned.matched, planned.skipped, outcomes)
    if outcomes.retry_seconds:
        return BulkResult(response, outcomes.retry_seconds)
    try:
        await deps.store.save_action(replace(planned, response=response))
    except Conflict:  # an equal request at the same time was faster
        planned = await deps.store.read_action(action_id) or planned
    return BulkResult(planned.response or response)


async def _plan(request: BulkRequest, action: Action, action_id: str, deps: Deps) -> BulkAction:
    selected = await _select(request.filter, action, deps)
    plan = BulkAction(
        id=action_id,
        fingerprint=request.fingerprint,
        plan={job.id: job.attempt for job in selected.jobs},
        matched=selected.matched,
        skipped=selected.skipped,
    )
    try:
        return await deps.store.save_action(plan)
    except Conflict:
        if existing := await deps.store.read_action(action_id):
            return existing
        raise


async def _select(wanted: JobFilter, action: Action, deps: Deps) -> _Selection:
    """Read the jobs of the filter, newest first."""
    query = JobQuery(
        limit=PAGE,
        caller=wanted.caller,
        status=wanted.status,
        workflow=wanted.workflow,
        batch_id=wanted.batch_id,
        since=wanted.since,
    )
    before = (wanted.until, FIRST_ID) if wanted.until else None
    matched = skipped = 0
    chosen: list[ListedJob] = []
    for _ in range(MAX_EXAMINED // PAGE):
        page = await deps.store.list_jobs(replace(query, before=before))
        for job in page:
            if job.erased_at:
                continue
            if wanted.error_code and not (job.finished and job.error and job.error.code is wanted.error_code):
                continue
            matched += 1
            if not action.applies(job):
                skipped += 1
            elif len(chosen) < wanted.limit:
                chosen.append(job)
        if len(page) < PAGE:
            return _Selection(matched, skipped, chosen)
        before = (page[-1].created_at, page[-1].id)
    return _Selection(matched, skipped, chosen, before and before[0] + STEP)


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


def _next(selected: _Selection) -> dict[str, Any]:
    return {"nextUntil": selected.next_until.isoformat()} if selected.next_until else {}


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
