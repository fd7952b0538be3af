"""Deliver the notifications of a final job, to all receivers that are due at the same time.

Nothing is recorded here: the results are part of the next write of the job, so that a crash before it repeats a message
under the same id.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from shared.callbacks import EVENTS, Callback, CallbackStatus
from shared.callers import share_of
from shared.job import Job
from shared.log import Event
from shared.notifications.delivery import TIMED_OUT, after_failure, after_response, is_throttled, retry_after
from shared.notifications.message import Message, body_of, headers_of
from shared.notifications.port import DELIVERY_SECONDS, DeliveryFailed, ReceiverResponse
from shared.public_job import public_job
from shared.runtime.dependencies import Deps
from shared.runtime.endpoints import Postponed
from shared.runtime.slots import WindowOver
from shared.store_errors import StoreError

MIN_SECONDS = 5.0  # of the window, or half of a short one, that must be left: most receivers respond in that time
FULL = timedelta(seconds=DELIVERY_SECONDS)
SECRETS_AGAIN = timedelta(minutes=1)  # after the store did not respond


def has_time(deps: Deps) -> bool:
    """Whether a delivery may begin: an attempt ends with the window, and is then repeated."""
    return deps.window.left() >= min(MIN_SECONDS, deps.config.poll_window / 2)


async def deliver(job: Job, deps: Deps) -> list[Callback]:
    """Notify the receivers of a final job that are due. Return the callbacks after their attempts."""
    now = deps.clock.now()
    due = [callback for callback in job.callbacks if callback.is_due(now)]
    if not due or not has_time(deps):
        return []
    message = message_of(job, deps)
    return await asyncio.gather(*(_deliver(job, callback, message, deps) for callback in due))


def message_of(job: Job, deps: Deps) -> Message:
    """Return the message about the end of a job.

    It is the same in every attempt: without the state of its delivery, and without jobs that were continued later.
    """
    base_url = job.base_url or deps.config.public_url or ""
    ended_at = job.completed_at or job.created_at
    next_jobs = [job.then.job] if job.then and job.then.job else []
    return Message(
        id=f"{job.id}-{job.attempt}-{job.status}",
        type=EVENTS[job.status],
        at=ended_at,
        data=public_job(job, base_url, owner=True) | {"callbacks": None, "nextJobs": next_jobs},
        source=base_url,
    )


async def _deliver(job: Job, callback: Callback, message: Message, deps: Deps) -> Callback:
    try:
        secrets = await _secrets(job, callback, deps)
        if callback.hook_id and not secrets:  # it was deleted, or has ended
            return callback.ended()
        async with deps.endpoints.acquire(callback.url, share_of(job.caller)):
            return await _attempt(job, callback, message, secrets, deps)
    except Postponed as postponed:
        return callback.postponed(postponed.at)
    except StoreError:
        return callback.postponed(deps.clock.now() + SECRETS_AGAIN)


async def _secrets(job: Job, callback: Callback, deps: Deps) -> Sequence[str]:
    if callback.hook_id:
        return await deps.hooks.secrets(callback.hook_id)
    return deps.config.callbacks.secrets_of(job.caller)


async def _attempt(job: Job, callback: Callback, message: Message, secrets: Sequence[str], deps: Deps) -> Callback:
    """Send the message once, in at most 15 s and before the window ends, so that other jobs do not wait for it.

    An attempt that is cut off by the window's end does not count: it is due in the next window, which begins with it.
    It counts if it was due for 15 s when it began, so that windows shorter than that do not repeat it forever.
    """
    began_at = deps.clock.now()
    body, content_type = body_of(message, callback.format)
    headers = headers_of(message, body, int(began_at.timestamp()), secrets) | {"content-type": content_type}
    try:
        response = await deps.window.bound(deps.receivers.post(callback.url, headers, body), DELIVERY_SECONDS)
    except (DeliveryFailed, TimeoutError, WindowOver) as error:
        if isinstance(error, WindowOver) and not callback.is_due(began_at - FULL):
            return callback
        deps.endpoints.failed(callback.url)
        words = str(error) or TIMED_OUT
        after = after_failure(callback, words, began_at, deps.clock.now(), deps.random())
    else:
        after = after_response(callback, response, began_at, deps.clock.now(), deps.random())
        await _record_response(callback, response, after, deps)
    log_delivery(job, after, deps)
    return after


async def _record_response(callback: Callback, response: ReceiverResponse, after: Callback, deps: Deps) -> None:
    """Record what a response says about the endpoint, and end the hook after a 410."""
    now = deps.clock.now()
    if after.status in (CallbackStatus.DELIVERED, CallbackStatus.ENDED):
        deps.endpoints.succeeded(callback.url)
    elif is_throttled(response):
        until = retry_after(response, now) or now
        deps.endpoints.throttled(callback.url, (until - now).total_seconds())
    else:
        deps.endpoints.failed(callback.url)
    if after.status is CallbackStatus.ENDED and callback.hook_id:
        await deps.hooks.end(callback.hook_id)


def log_delivery(job: Job, after: Callback, deps: Deps) -> None:
    """Log the state of a delivery with the host of the receiver: paths and queries may hold secrets."""
    fields = {
        **job.log_fields(),
        "host": urlsplit(after.url).hostname,
        "callbackEvent": after.event,
        "hookId": after.hook_id,
        "attempts": after.attempts,
        "httpStatus": after.last_status,
    }
    match after.status:
        case CallbackStatus.DELIVERED:
            deps.log.info(Event.CALLBACK_DELIVERED, "A notification was delivered.", **fields)
        case CallbackStatus.ENDED:
            deps.log.warning(Event.CALLBACK_FAILED, "A receiver ended its notifications (410).", **fields)
        case CallbackStatus.UNDELIVERED:
            message = "A notification could not be delivered. It is not retried."
            deps.log.error(Event.CALLBACK_UNDELIVERED, message, **fields)
        case _:
            deps.log.warning(Event.CALLBACK_FAILED, "A notification could not be delivered. It is retried.", **fields)
