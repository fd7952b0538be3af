"""Two things at the same time."""

import asyncio
import io
import json

import pytest

from shared.log import Log
from shared.runtime.meanwhile import meanwhile
from shared.wiring import SystemClock


async def test_the_work_begins_first_and_the_other_thing_is_done_while_it_waits() -> None:
    done: list[str] = []
    other_done = asyncio.Event()

    async def work() -> str:
        sending = asyncio.create_task(send())
        await other_done.wait()
        await sending
        return "stored"

    async def send() -> None:
        done.append("sent")

    async def other() -> None:
        done.append("other")
        other_done.set()

    assert await asyncio.wait_for(meanwhile(work(), other, SystemClock(), Log()), 5) == "stored"
    assert done == ["sent", "other"]


async def test_the_other_thing_is_over_when_the_work_has_failed() -> None:
    done: list[str] = []

    async def work() -> None:
        raise ConnectionError

    async def other() -> None:
        await asyncio.sleep(0)
        done.append("other")

    with pytest.raises(ConnectionError):
        await meanwhile(work(), other, SystemClock(), Log())
    assert done == ["other"]


async def test_without_another_thing_only_the_work_is_done() -> None:
    async def work() -> str:
        return "stored"

    assert await meanwhile(work(), None, SystemClock(), Log()) == "stored"


async def test_a_failure_of_the_other_thing_is_logged_and_does_not_take_the_place_of_the_work() -> None:
    lines = io.StringIO()

    async def work() -> str:
        return "stored"

    async def other() -> None:
        raise ValueError("a secret")

    assert await meanwhile(work(), other, SystemClock(), Log(lines)) == "stored"
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert (line["event"], line["errorType"], "secret" in lines.getvalue()) == ("internal_error", "ValueError", False)
