"""Hours in milliseconds: an event loop that jumps to its next timer whenever there is nothing to do."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class NothingWillHappen(RuntimeError):
    """Every task waits, no timer is set and no thread works: in real time this would hang for ever."""


class Threads(ThreadPoolExecutor):
    """Real threads, for work that waits for the loop (a copy, whose bytes come from the simulator)."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Timers cost no time. Neither does the work of threads: while one is busy the time stands still."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self.elapsed = 0.0
        self.busy_threads = 0
        self.in_threads = 0  # pieces of work, busy or waiting for the loop

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.elapsed

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """In `Threads` as in any loop; all other work is done by the loop itself, a moment later.

        That is fast, and a test that fails does so again.
        """
        if isinstance(executor, Threads):
            return self._in_thread(executor, func, *args)
        outcome: asyncio.Future[T] = self.create_future()
        self.call_soon(_settle, outcome, func, args)
        return outcome

    def _in_thread(self, executor: Executor, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        job = executor.submit(func, *args)
        self.busy_threads += 1
        self.in_threads += 1
        outcome = asyncio.wrap_future(job, loop=self)
        # After wrap_future's own callback: the time may go on when the loop knows the outcome, not before.
        job.add_done_callback(lambda _: self.call_soon_threadsafe(self._thread_is_free))
        return outcome

    def _thread_is_free(self) -> None:
        self.busy_threads -= 1
        self.in_threads -= 1


async def threads_done() -> None:
    """Let the time pass until no thread works any more: what a worker has abandoned goes on for a while."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    while loop.in_threads:  # noqa: ASYNC110 - in virtual time this costs nothing
        await asyncio.sleep(1)


def _settle(outcome: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    try:
        result = func(*args)
    except Exception as error:  # whatever it is, it belongs to who waits for the outcome
        if not outcome.done():
            outcome.set_exception(error)
    else:
        if not outcome.done():
            outcome.set_result(result)


class ForThreads:
    """The loop as `asyncio.run_coroutine_threadsafe` sees it: while a thread waits for the loop, it is not busy.

    Without this a thread that waits for an answer due in 20 s would keep the time from ever getting there.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self._loop.call_soon_threadsafe(callback, *args, context=context)

    def create_task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._loop.create_task(self._while_its_thread_waits(coroutine))

    async def _while_its_thread_waits(self, coroutine: Coroutine[Any, Any, T]) -> T:
        self._loop.busy_threads -= 1
        try:
            return await coroutine
        finally:
            self._loop.busy_threads += 1


class VirtualClock:
    """`shared.ports.Clock`, and the simulator's, on a virtual loop: the time is `base` when the loop begins."""

    def __init__(self, base: datetime = NOON) -> None:
        self._base = base

    def now(self) -> datetime:
        return self._base + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def step(self, by: timedelta) -> None:
        """Set the clock, as an administrator or NTP does; durations do not change."""
        self._base += by

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))


def run(main: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _Jumping(selectors.DefaultSelector):
    """Where a loop would wait for its next timer, the time jumps there."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self._loop.busy_threads:
            return super().select(None)  # a thread that is done wakes the loop up
        if events := super().select(0):
            return events
        if timeout is None:
            raise NothingWillHappen
        self._loop.elapsed += timeout
        return []
