"""A worker that dies between a message and its record repeats the message: at least once, and with one id."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shared.ports import JobStore
from tests.crash.kills import end_leases_of_killed_workers, lines_of, places_of
from tests.crash.senders import SMALL
from tests.harness.background import meanwhile
from tests.processes.product import UNLIMITED, Product

JOBS, MAX_KILLS = 4, 2  # the number of kills is that of forgetful_poller.py
TRIES, PAUSE = 300, 0.2
SETTINGS = {
    **UNLIMITED,
    "LEASE_SECONDS": "20",
    "POLL_WINDOW_SECONDS": "10",
    "CALLBACK_HOSTS": "127.0.0.1",
}


@pytest.mark.parametrize("store", ["sqlite", pytest.param("firestore", marks=pytest.mark.slow)])
async def test_each_message_arrives_at_least_once_with_one_id_and_the_same_bytes(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_of(store, tmp_path, request)
    for name, value in places.environ.items():
        monkeypatch.setenv(name, value)  # the test opens the store, too
    kills = tmp_path / "kills"
    product = Product(
        tmp_path,
        places,
        settings={**SETTINGS, "KILLS": str(kills)},
        simulator={"SIMULATOR_RUN_SECONDS": "1-2"},
        poller_source="tests/crash/forgetful_poller.py",
    )
    jobs = places.jobs()
    expiring = meanwhile(end_leases_of_killed_workers(kills, jobs))
    async with _receiver() as (url, messages), product.running() as caller, expiring:
        ids = [await caller.submit(prompt=f"cat {number}", callbackUrl=url, **SMALL) for number in range(JOBS)]
        for _ in range(TRIES):
            if await _all_delivered(ids, jobs):
                break
            await asyncio.sleep(PAUSE)
    await jobs.close()

    assert len(lines_of(kills)) == MAX_KILLS
    assert {message["id"] for message in messages} == {f"{job_id}-1-succeeded" for job_id in ids}
    assert JOBS < len(messages) <= JOBS * (MAX_KILLS + 1), "what was sent before a kill is sent again"
    for job_id in ids:
        assert len({message["body"] for message in messages if message["id"].startswith(job_id)}) == 1


async def _all_delivered(ids: list[str], store: JobStore) -> bool:
    jobs = [await store.get(job_id) for job_id in ids]
    return all(job and job.finished and job.callbacks[0].status == "delivered" for job in jobs)


@asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver on this machine: its URL, and the messages that it has received."""
    messages: list[dict[str, Any]] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        messages.append({"id": headers["webhook-id"], "body": body, "type": json.loads(body)["type"]})
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        with suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", messages
