"""Finish a job: every transition to a final state is saved here, so that its receivers are notified."""

from shared.callbacks import RECORD_BYTES, Callback, CallbackFormat
from shared.hooks import Hook
from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import FIRST_PAUSE, MAX_PAUSE, Lease
from shared.runtime.saving import save_over
from shared.steps.deliver import has_time
from shared.store_errors import StoreUnavailable


async def finish(lease: Lease, job: Job, deps: Deps) -> Job:
    """Save a leased job that has become final. The lease ends, unless it is notified of or another job starts now.

    Raise StoreUnavailable if the hooks cannot be read for the length of a lease: the job then becomes final later.
    """
    job = await _with_hooks_patiently(job, deps)
    now = deps.clock.now()
    is_to_notify = has_time(deps) and any(callback.is_due(now) for callback in job.callbacks)
    if job.next_to_start or is_to_notify:
        return await lease.save(job)
    return await lease.release(job)


async def finish_unleased(base: Job, job: Job, deps: Deps) -> Job:
    """Save a job that became final in the trigger, and let the poller do what is left to do.

    `base`: the stored record from which it was computed. Raise StoreError.
    """
    job = await save_over(base, await _with_hooks(job, deps), deps.store)
    if job.due_at and job.due_at <= (now := deps.clock.now()):
        await deps.wake_up.at(now)
    return job


async def _with_hooks_patiently(job: Job, deps: Deps) -> Job:
    """The same as `_with_hooks`, again and again: what Wireflow has responded is known to this worker only."""
    began, pause = deps.clock.monotonic(), FIRST_PAUSE
    while True:
        try:
            return await _with_hooks(job, deps)
        except StoreUnavailable:
            if deps.clock.monotonic() + pause >= began + deps.config.lease:
                raise
        await deps.clock.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


async def _with_hooks(job: Job, deps: Deps) -> Job:
    """Return a final job with the matching hooks among its receivers: as many as its record has room for.

    Those of its caller come before those of admins.
    """
    hooks = sorted(await deps.hooks.matching(job), key=lambda hook: hook.caller != job.caller)
    room, heard = job.room, []
    for hook in hooks:
        room -= len(hook.hook_url.encode()) + RECORD_BYTES
        if room >= 0:
            heard.append(_callback(hook, job))
    if left_out := len(hooks) - len(heard):
        message = f"The record of a job has no room for {left_out} of its {len(hooks)} hooks: they are not notified."
        deps.log.error(Event.CALLBACK_UNDELIVERED, message, **job.log_fields())
    return job.heard_by(heard)


def _callback(hook: Hook, job: Job) -> Callback:
    of_other_caller = hook.caller != job.caller
    return Callback(
        url=hook.hook_url, hook_id=hook.id, of_other_caller=of_other_caller, format=CallbackFormat(hook.format)
    )
