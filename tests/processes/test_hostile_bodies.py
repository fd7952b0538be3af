"""Large bodies of callers without a valid credential do not disturb a customer's paid call."""

import asyncio
import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.harness.measurements import note
from tests.processes.product import UNLIMITED, Places, Product

TOKEN, SIGNING_SECRET = "token-of-a-customer", "whsec_c2VjcmV0LW9mLXRoZXNlLWNhbGxlcnM="
AUTH = {
    **UNLIMITED,
    "TRIGGER_TOKENS": json.dumps({"customer": hashlib.sha256(TOKEN.encode()).hexdigest()}),
    "TRIGGER_SIGNING_SECRETS": json.dumps({"signer": [SIGNING_SECRET]}),
    "POLL_WINDOW_SECONDS": "3",
    "POLL_IDLE_EXIT_SECONDS": "1",
}
MIB, AT_ONCE, PAID_CALLS = 1024 * 1024, 10, 5
SLOWEST_SECONDS = 8.0  # the time that a paid call has

# Many small values are the most expensive JSON.
ARRAY = b'{"prompt": "a cat", "x": [' + b"{}," * (4 * MIB // 3 - 100) + b"{}]}"  # just below 4 MiB
SMALLER = b'{"prompt": "a cat", "token": "wrong", "x": [' + b"{}," * (500 * 1024 // 3) + b"{}]}"
HOSTILE: list[tuple[dict[str, str], bytes]] = [
    ({}, ARRAY),
    ({"Authorization": "x"}, ARRAY),
    ({"Authorization": "Bearer wrong"}, ARRAY),
    ({"webhook-id": "1", "webhook-timestamp": "{now}", "webhook-signature": "v1,x"}, ARRAY),
    ({}, SMALLER),
]


@asynccontextmanager
async def attack(url: str) -> AsyncIterator[Counter[int]]:
    """Send ten hostile bodies at once, again and again, until the end of the block. Counts the statuses."""
    statuses: Counter[int] = Counter()
    kinds = itertools.cycle(HOSTILE)

    async def send() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            while True:
                headers, body = next(kinds)
                given = {name: value.format(now=int(time.time())) for name, value in headers.items()}
                try:
                    response = await http.post(url, content=body, headers={"Content-Type": "application/json", **given})
                    statuses[response.status_code] += 1
                except httpx.TransportError:  # rejected before all of the body was sent
                    statuses[0] += 1

    senders = [asyncio.create_task(send()) for _ in range(AT_ONCE)]
    try:
        yield statuses
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def test_large_bodies_without_a_credential_leave_a_paid_call_alone(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    product = Product(tmp_path, Places.local(tmp_path), settings=AUTH, simulator={"SIMULATOR_RUN_SECONDS": "1"})
    product.leaks.add("the token", TOKEN)
    credential = {"Authorization": f"Bearer {TOKEN}"}
    async with product.running() as caller:
        caller.http.headers.update(credential)
        jobs, seconds = [], []
        async with attack(product.trigger.url) as statuses:
            await asyncio.sleep(1)
            for number in range(PAID_CALLS):
                began = time.monotonic()
                response = await caller.http.post("/", json={"prompt": f"cat {number}", "aspect_ratio": "64:1"})
                seconds.append(time.monotonic() - began)
                jobs.append(response.json())
        ended = [await caller.finished(job["id"], 60) for job in jobs]
        note(pytestconfig, f"paid calls beside ten hostile bodies: {max(seconds):.2f} s at most; {dict(statuses)}")
        assert {job["status"] for job in jobs} == {"running"}
        assert max(seconds) < SLOWEST_SECONDS
        assert [(job["status"], job["possibleDuplicate"]) for job in ended] == [("succeeded", False)] * PAID_CALLS
        assert len(await caller.runs()) == PAID_CALLS
        assert statuses.keys() <= {0, 401, 413}
        assert sum(statuses.values()) > AT_ONCE
    assert "outcome_unknown" not in product.trigger.out.read_text()
