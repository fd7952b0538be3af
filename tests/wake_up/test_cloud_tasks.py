"""The adapter for Cloud Tasks, against a server that responds as its reference says, and in every other way."""

import asyncio
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.log import Log
from shared.wake_up.buckets import bucket_of
from shared.wake_up.cloud_tasks import SECONDS, CloudTasksWakeUp, Credentials
from shared.wake_up_settings import WakeUpSettings
from shared.wiring import SystemClock
from tests.recipes.small_server import Answer, Request, serving

QUEUE = "projects/p/locations/europe-west1/queues/wake-up-4711"
SETTINGS = WakeUpSettings(queue=QUEUE, url="https://poller.test/", account="invoker@p.iam.gserviceaccount.com")
FAR = datetime(2030, 1, 1, 12, 0, 1, tzinfo=UTC)


class Token(Credentials):
    """A token without Google; `fail`: what reading it raises."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    async def token(self) -> str:
        await asyncio.sleep(self.seconds)
        return "ya29.token"


class Queue:
    """A stand-in for the service: `statuses` are its next responses, then 200, or 409 for a task that exists."""

    def __init__(self, *statuses: int, seconds: float = 0.0) -> None:
        self.requests: list[Request] = []
        self.tasks: dict[str, Any] = {}
        self._statuses = list(statuses)
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        time.sleep(self._seconds)
        with self._lock:
            self.requests.append(request)
            if self._statuses:
                return Answer(b"{}", status=self._statuses.pop(0))
            task = json.loads(request.body)["task"]
            if task["name"] in self.tasks:
                return Answer(b'{"error": {"status": "ALREADY_EXISTS"}}', status=409)
            self.tasks[task["name"]] = task
            return Answer(json.dumps(task).encode(), {"Content-Type": "application/json"})


@asynccontextmanager
async def waking(
    queue: Callable[[Request], Answer], credentials: Credentials | None = None
) -> AsyncIterator[tuple[CloudTasksWakeUp, io.StringIO]]:
    lines = io.StringIO()
    server: AbstractContextManager[str] = serving(queue)
    with server as url:
        async with httpx.AsyncClient(trust_env=False) as http:
            log = Log(lines)
            yield CloudTasksWakeUp(SETTINGS, SystemClock(), log, credentials or Token(), http, api=url), lines


async def test_a_task_calls_the_poller_at_the_end_of_the_interval_with_an_identity_token():
    queue = Queue()
    async with waking(queue) as (wake_up, lines):
        await wake_up.at(FAR)
    (request,) = queue.requests
    assert (request.method, request.path) == ("POST", f"/v2/{QUEUE}/tasks")
    assert request.headers["authorization"] == "Bearer ya29.token"
    (task,) = queue.tasks.values()
    assert task == {
        "name": f"{QUEUE}/tasks/{bucket_of(FAR).name}",
        "scheduleTime": "2030-01-01T12:00:05Z",
        "dispatchDeadline": "1800s",
        "httpRequest": {
            "httpMethod": "POST",
            "url": SETTINGS.url,
            "oidcToken": {"serviceAccountEmail": SETTINGS.account, "audience": SETTINGS.url},
        },
    }
    assert not lines.getvalue()


async def test_many_requests_at_once_make_one_call():
    queue = Queue()
    async with waking(queue) as (wake_up, _):
        await asyncio.gather(*(wake_up.at(FAR + timedelta(milliseconds=number)) for number in range(100)))
    assert len(queue.requests) == 1


async def test_that_the_task_exists_is_success():
    queue = Queue()
    async with waking(queue) as (one, _), waking(queue) as (other, lines):
        await one.at(FAR)
        await other.at(FAR)
    assert len(queue.requests) == 2
    assert len(queue.tasks) == 1
    assert not lines.getvalue()


@pytest.mark.parametrize("statuses", [(500,), (429, 503)])
async def test_a_temporary_failure_is_repeated_at_once(statuses: tuple[int, ...]):
    queue = Queue(*statuses)
    async with waking(queue) as (wake_up, lines):
        await wake_up.at(FAR)
    assert len(queue.requests) == len(statuses) + 1
    assert len(queue.tasks) == 1
    assert not lines.getvalue()


async def test_after_three_attempts_the_scheduler_does_it():
    queue = Queue(500, 500, 500)
    async with waking(queue) as (wake_up, lines):
        await wake_up.at(FAR)
        assert len(queue.requests) == 3
        line = json.loads(lines.getvalue())
        assert (line["severity"], line["event"]) == ("WARNING", "configuration")
        await wake_up.at(FAR)  # the next request in the same interval tries again
    assert len(queue.tasks) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_missing_role_or_queue_is_an_error_in_the_log_and_is_not_repeated(status: int):
    queue = Queue(status)
    async with waking(queue) as (wake_up, lines):
        await wake_up.at(FAR)
    assert len(queue.requests) == 1
    line = json.loads(lines.getvalue())
    assert (line["severity"], line["event"]) == ("ERROR", "configuration")
    assert str(status) in line["message"]
    assert "ya29" not in lines.getvalue()


@pytest.mark.parametrize(("server", "token"), [(3.0, 0.0), (0.0, 3.0)])
async def test_a_slow_service_delays_a_request_by_a_second_at_most(server: float, token: float):
    async with waking(Queue(seconds=server), Token(token)) as (wake_up, lines):
        began = time.monotonic()
        await wake_up.at(FAR)
        assert time.monotonic() - began < SECONDS + 0.5
        assert json.loads(lines.getvalue())["severity"] == "WARNING"


async def test_an_unreachable_service_fails_nothing():
    lines = io.StringIO()
    async with httpx.AsyncClient(trust_env=False) as http:
        wake_up = CloudTasksWakeUp(SETTINGS, SystemClock(), Log(lines), Token(), http, api="http://127.0.0.1:9")
        await wake_up.at(FAR)
    assert json.loads(lines.getvalue())["severity"] == "WARNING"


async def test_a_moment_that_has_passed_means_now():
    queue = Queue()
    async with waking(queue) as (wake_up, _):
        before = datetime.now(UTC)
        await wake_up.at(before - timedelta(hours=1))
    (task,) = queue.tasks.values()
    assert before < datetime.fromisoformat(task["scheduleTime"]) <= datetime.now(UTC) + timedelta(seconds=5)


async def test_a_token_is_refreshed_off_the_event_loop_once_for_all_that_wait(monkeypatch: pytest.MonkeyPatch):
    threads: list[threading.Thread] = []

    class Account:
        valid, token = False, None

        def refresh(self, _request: object) -> None:
            threads.append(threading.current_thread())
            time.sleep(0.05)
            self.valid, self.token = True, "ya29.fresh"

    monkeypatch.setattr("google.auth.default", lambda **_: (Account(), "p"))
    credentials = Credentials()
    tokens = await asyncio.gather(*(credentials.token() for _ in range(5)), credentials.token())
    assert tokens == ["ya29.fresh"] * 6
    assert await credentials.token() == "ya29.fresh"
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
