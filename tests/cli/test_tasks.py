"""A signal ends a command after it has cleaned up, and tasks end together."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from functions.cli.errors import Interrupted
from functions.cli.tasks import SIGNALS, first_completed, run_until_interrupted


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """Restore the handlers of this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_does_not_interrupt_the_cleanup(number: int):
    steps = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            for step in range(3):
                os.kill(os.getpid(), number)
                await asyncio.sleep(0)
                steps.append(step)

    with pytest.raises(Interrupted) as error:
        run_until_interrupted(work())
    assert steps == [0, 1, 2]
    assert error.value.exit_code == 130


def test_without_a_signal_the_result_is_returned():
    async def work() -> str:
        return "done"

    assert run_until_interrupted(work()) == "done"


async def test_the_first_result_cancels_the_others():
    canceled = []

    async def endless() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            canceled.append("endless")
        return "never"

    async def short() -> str:
        await asyncio.sleep(0)
        return "short"

    assert await first_completed(endless(), short()) == "short"
    assert canceled == ["endless"]
