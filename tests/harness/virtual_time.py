"""An event loop in virtual time: when there is nothing to do, it jumps to its next timer."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Deadlock(RuntimeError):
    """Every task waits, no timer is set, and no thread works: in real time this would hang."""


class Threads(ThreadPoolExecutor):
    """Real threads, for work that waits for the loop, like a copy, whose bytes come from the simulator."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Timers take no real time, and threads no virtual time: it stops while one is busy."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self.elapsed = 0.0
        self.busy_threads = 0

    def time(self) -> float:
        """Return the virtual seconds since the loop was created."""
        return self.elapsed

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Use threads only for `Threads`; the loop does all other work itself, which is fast and deterministic."""
        if isinstance(executor, Threads):
            return self._in_thread(executor, func, *args)
        outcome: asyncio.Future[T] = self.create_future()
        self.call_soon(_settle, outcome, func, args)
        return outcome

    def _in_thread(self, executor: Executor, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        job = executor.submit(func, *args)
        self.busy_threads += 1
        outcome = asyncio.wrap_future(job, loop=self)
        # After wrap_future's own callback: time may advance only when the loop knows the outcome.
        job.add_done_callback(lambda _: self.call_soon_threadsafe(self._thread_is_free))
        return outcome

    def _thread_is_free(self) -> None:
        self.busy_threads -= 1


def _settle(outcome: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    try:
        result = func(*args)
    except Exception as error:  # for the one who awaits the outcome
        if not outcome.done():
            outcome.set_exception(error)
    else:
        if not outcome.done():
            outcome.set_result(result)


class ForThreads:
    """The loop for `asyncio.run_coroutine_threadsafe`: a thread that waits for the loop is not busy.

    Otherwise a thread that waits for a response due in 20 s would stop the time before it is due.
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
    """`shared.ports.Clock`, and the simulator's, on a virtual loop that starts at `base`."""

    def __init__(self, base: datetime = NOON) -> None:
        self._base = base

    def now(self) -> datetime:
        return self._base + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Do what `asyncio.run` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _Jumping(selectors.DefaultSelector):
    """Advances the time to the next timer instead of waiting for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self._loop.busy_threads:
            return super().select(None)  # a finished thread wakes the loop
        if events := super().select(0):
            return events
        if timeout is None:
            raise Deadlock
        self._loop.elapsed += timeout
        return []
