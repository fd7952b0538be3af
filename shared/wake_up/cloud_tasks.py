"""Wake-ups by Cloud Tasks: a task calls the poller at the end of its interval.

https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create
"""

import asyncio
from datetime import datetime
from typing import Any

import httpx

from shared.log import Event, Log
from shared.ports import Clock
from shared.wake_up.buckets import BUCKET_SECONDS, Bucket, Remembered, bucket_of
from shared.wake_up_settings import WakeUpSettings

API = "https://cloudtasks.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/cloud-tasks",)
SECONDS = 1.0  # for everything, because a caller waits
ATTEMPTS, PAUSE = 3, 0.05
MAX_DISPATCH_SECONDS = 1_800  # the maximum of Cloud Tasks: until then it does not repeat a call that has not responded


class WakeUpFailed(Exception):
    """The task was not created; the text says why."""


class WakeUpRefused(WakeUpFailed):
    """Another attempt does not help: the queue, the accounts, or their roles are wrong."""


class Credentials:
    """The access token of this function's account. google-auth blocks, so it works in a thread."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self._refreshing: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Return a valid token. A refresh goes on if the caller stops waiting: the next one needs it."""
        if self._credentials is not None and self._credentials.valid:
            return str(self._credentials.token)
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(asyncio.to_thread(self._refresh))
        return await asyncio.shield(self._refreshing)

    def _refresh(self) -> str:
        import google.auth
        from google.auth.transport.requests import Request

        credentials = self._credentials or google.auth.default(scopes=SCOPES)[0]
        credentials.refresh(Request())
        self._credentials = credentials
        return str(credentials.token)


class CloudTasksWakeUp:
    """The wake-ups of one instance."""

    interval = BUCKET_SECONDS

    def __init__(
        self,
        settings: WakeUpSettings,
        clock: Clock,
        log: Log,
        credentials: Credentials,
        http: httpx.AsyncClient,
        api: str = API,
    ) -> None:
        self._settings, self._clock, self._log = settings, clock, log
        self._credentials, self._http = credentials, http
        self._url = f"{api}/v2/{settings.queue}/tasks"
        self._made = Remembered()

    async def at(self, moment: datetime) -> None:
        """Let the poller be called at the end of the interval of `moment`. Return within a second, never raise."""
        bucket = bucket_of(max(moment, self._clock.now()))
        if not self._made.add(bucket.name):
            return
        try:
            async with asyncio.timeout(SECONDS):
                await self._create(bucket)
        except Exception as error:  # the next regular call does the work
            self._made.remove(bucket.name)
            write = self._log.error if isinstance(error, WakeUpRefused) else self._log.warning
            reason = str(error) if isinstance(error, WakeUpFailed) else type(error).__name__
            write(Event.CONFIGURATION, f"The poller could not be woken up by Cloud Tasks: {reason}.")

    async def _create(self, bucket: Bucket) -> None:
        """Create the task, in at most three attempts. That it exists is success: another request has created it."""
        headers = {"Authorization": f"Bearer {await self._credentials.token()}"}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._http.post(self._url, json=self._task(bucket), headers=headers)
                if response.is_success or response.status_code == httpx.codes.CONFLICT:
                    return
                failure = _failure(response)
            except httpx.HTTPError as error:
                failure = WakeUpFailed(type(error).__name__)
            if isinstance(failure, WakeUpRefused) or attempt == ATTEMPTS:
                raise failure
            await self._clock.sleep(PAUSE * attempt)

    def _task(self, bucket: Bucket) -> dict[str, Any]:
        target = self._settings
        token = {"serviceAccountEmail": target.account, "audience": target.url}
        return {
            "task": {
                "name": f"{target.queue}/tasks/{bucket.name}",
                "scheduleTime": bucket.at.isoformat().replace("+00:00", "Z"),
                "dispatchDeadline": f"{MAX_DISPATCH_SECONDS}s",
                "httpRequest": {"httpMethod": "POST", "url": target.url, "oidcToken": token},
            }
        }


def _failure(response: httpx.Response) -> WakeUpFailed:
    status = response.status_code
    temporary = status in {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS} or status >= 500
    return WakeUpFailed(f"status {status}") if temporary else WakeUpRefused(f"status {status}")
