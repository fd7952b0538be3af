"""Actions on jobs that people ask for: redeliver, recopy, retry, cancel, erase. A new action is a row of ACTIONS."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from shared.job import Job
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.runtime.dependencies import Deps
from shared.steps.action_refused import NotCancelable
from shared.steps.cancel import cancel
from shared.steps.erase import erase
from shared.steps.recopy import recopy
from shared.steps.redeliver import redeliver
from shared.steps.retry import retry
from shared.store_errors import Conflict

MAX_TRIES = 3  # while others change the job


# Apply an action to a job in the attempt that was seen, and return the job. Raise ActionRefused, QueueFull, or Conflict
# if the job was changed since it was read.
Run = Callable[[Job, int, Deps], Awaitable[Job]]


@dataclass(frozen=True, slots=True)
class Action:
    """An action. `applies`: whether it may apply to a job in a list; `paid`: each job costs money and needs consent.

    `repeatable`: it may apply to a job again afterwards, such as a retry that fails, or be refused every time.
    """

    run: Run
    applies: Callable[[ListedJob], bool]
    paid: bool = False
    repeatable: bool = False


async def act(action: Action, job: Job, attempt: int, deps: Deps) -> Job:
    """Apply an action to a job, or to its newest record if it was changed since it was read.

    Raise ActionRefused, QueueFull, Conflict if others keep changing the job, or StoreUnavailable.
    """
    for _ in range(MAX_TRIES):
        try:
            return await action.run(job, attempt, deps)
        except Conflict:
            newest = await deps.store.get(job.id)
            if newest is None:
                raise
            job = newest
    raise Conflict(f"job {job.id} is being changed by other writers")


def _in_any_attempt(run: Callable[[Job, Deps], Awaitable[Job]]) -> Run:
    return lambda job, _attempt, deps: run(job, deps)


async def _cancel(job: Job, deps: Deps) -> Job:
    if job.status is not Status.QUEUED:
        raise NotCancelable(f"The status of the job is {job.status}. Only queued jobs can be canceled.")
    return await cancel(job, deps)


ACTIONS: Mapping[str, Action] = {
    "redeliver": Action(_in_any_attempt(redeliver), lambda job: job.finished and bool(job.callbacks), repeatable=True),
    "recopy": Action(_in_any_attempt(recopy), lambda job: job.recopyable, repeatable=True),
    "retry": Action(retry, lambda job: job.retryable, paid=True, repeatable=True),
    "cancel": Action(_in_any_attempt(_cancel), lambda job: job.status is Status.QUEUED),
    "erase": Action(_in_any_attempt(erase), lambda job: job.finished),
}
