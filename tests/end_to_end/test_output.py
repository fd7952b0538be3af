"""What the functions write: events, one JSON object a line, and nothing that somebody could misuse."""

import asyncio
import json
from typing import Any

import pytest

from shared.log import Event
from tests.end_to_end.conftest import Running
from tests.processes.function import Function
from tests.processes.product import API_KEY, WEBHOOK_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 60.0
PROMPT, KEY = "an unmistakable marmot", "marmot-4711"
COUNTS = {"claimed", "dispatched", "polled", "completed", "stored", "failed", "bytes", "seconds"}
SURROUNDINGS = {"oldestDueSeconds", "queueLength", "running", "executionsToday"}


def events(function: Function) -> list[dict[str, Any]]:
    """Every line of its standard output; a line that is no JSON object fails here."""
    lines = [json.loads(line) for line in function.out.read_text().splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


async def window_after(job_id: str, poller: Function) -> dict[str, Any]:
    """The line of the first window that ended after the job was stored."""
    while True:
        lines = events(poller)
        stored = next((n for n, line in enumerate(lines) if line.get("jobId") == job_id), len(lines))
        ended = [line for line in lines[stored:] if line["event"] == "window" and "claimed" in line]
        if ended:
            return ended[0]
        await asyncio.sleep(0.5)


async def test_a_job_is_told_in_events_and_no_line_holds_a_secret(running: Running):
    product, (poller,) = running.product, running.product.pollers
    posted = await running.caller.http.post("/", json={"prompt": PROMPT}, headers={"Idempotency-Key": KEY})
    job = await running.caller.finished(posted.json()["id"], SECONDS)
    assert job["status"] == "succeeded", job
    async with asyncio.timeout(SECONDS):
        window = await window_after(job["id"], poller)
    assert set(window) >= COUNTS | SURROUNDINGS

    told = [line for line in events(product.trigger) + events(poller) if line.get("jobId") == job["id"]]
    assert [line["event"] for line in told] == ["job_accepted", "job_started", "job_stored"]
    assert told[-1]["executionId"] == job["executionId"]
    for function in (product.trigger, poller):
        for line in events(function):
            assert {"severity", "message", "event"} <= set(line)
            assert line["event"] in set(Event)
        written = function.out.read_text() + function.err.read_text()
        assert not [secret for secret in (PROMPT, KEY, WEBHOOK_ID, API_KEY) if secret in written]
