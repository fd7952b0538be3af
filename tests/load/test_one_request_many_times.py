"""One request sent many times at once, to two triggers, in every form: one job and one paid run.

The simulator ignores idempotency keys here, so only our own deduplication prevents a second run.
"""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.ports import JobQuery
from tests.harness.measurements import note
from tests.load.sending import send
from tests.load.ways_in import ORIGIN, SIGNING_SECRET, TOKEN, WAYS, Post, Senders, prompts_of
from tests.processes.product import UNLIMITED, Caller, Places, Product
from tests.recipes.google import ACCOUNT, AUDIENCE, Google, google

FORM_TOKEN_SECONDS = 3.2  # a token is valid after 3 s, by another process's clock
SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """The responses by way in, and the numbers of stored jobs and paid runs by prompt."""

    answers: dict[str, list[httpx.Response]]
    jobs: Counter[str]
    runs: Counter[str]


SHORT = [pytest.param(("sqlite", 10), id="sqlite-10")]
LONG = [pytest.param((store, 50), id=f"{store}-50", marks=pytest.mark.slow) for store in ("sqlite", "firestore")]


@pytest.fixture(scope="module", params=SHORT + LONG)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run all ways in, one after the other."""
    folder, (store, times) = tmp_path_factory.mktemp("repeated"), request.param
    names = ["firestore_emulator", "storage_server"] if store == "firestore" else []
    servers = [request.getfixturevalue(name) for name in names]
    places = Places.cloud(*servers) if servers else Places.local(folder)
    with pytest.MonkeyPatch.context() as environ, google() as signer:
        for name, value in places.environ.items():
            environ.setenv(name, value)  # the test reads the store, too
        began = time.monotonic()
        found, seconds = asyncio.run(outcome_of(folder, places, signer, times))
        note(
            request.config,
            f"load: {len(WAYS)} requests sent {times} times each ({store}), all answered in {seconds:.1f} s, "
            f"{time.monotonic() - began:.1f} s with start and checks",
        )
        yield found


@pytest.mark.parametrize("way", WAYS)
def test_one_job_and_one_paid_run(outcome: Outcome, way: str) -> None:
    answers, prompts = outcome.answers[way], prompts_of(WAYS[way], way)
    assert len(answers) >= 10
    assert Counter(answer.status_code // 100 for answer in answers) == {2: len(answers)}, [one.text for one in answers]
    assert len({tuple(ids_of(answer.json())) for answer in answers}) == 1
    if len(prompts) == 1:  # the response to a batch has no such header
        assert sum("idempotent-replayed" in answer.headers for answer in answers) == len(answers) - 1
    assert {prompt: (outcome.jobs[prompt], outcome.runs[prompt]) for prompt in prompts} == dict.fromkeys(
        prompts, (1, 1)
    )


def ids_of(answer: Any) -> list[str]:
    return [job["id"] for job in answer.get("jobs", [answer])]


async def outcome_of(folder: Path, places: Places, signer: Google, times: int) -> tuple[Outcome, float]:
    """Return the outcome and the seconds until all was answered."""
    product = Product(
        folder,
        places,
        settings=settings(signer),
        simulator={"SIMULATOR_RUN_SECONDS": "1", "SIMULATOR_HONOUR_KEYS": "false"},
        triggers=2,
    )
    product.leaks.add("the token", TOKEN)
    async with product.running() as caller, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(product.client(trigger)) for trigger in product.triggers]
        senders = Senders(signer.token(), await new_form_token(clients[0]))
        began = time.monotonic()
        answers = {name: await send_all(clients, list(way(name, times, senders))) for name, way in WAYS.items()}
        seconds = time.monotonic() - began
        await all_ended(caller, answers)
        runs = Counter(run["prompt"] for run in await caller.runs())
        assert not [line for function in product.functions for line in function.lost_workers()]
        return Outcome(answers, await jobs_in(places), runs), seconds


def settings(signer: Google) -> dict[str, str]:
    """Return settings with every kind of authentication; one image a minute for forms, as retries are not counted."""
    return {
        **UNLIMITED,
        "TRIGGER_TOKENS": json.dumps({"caller": {"sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "admin": True}}),
        "TRIGGER_SIGNING_SECRETS": json.dumps({"signer": [SIGNING_SECRET]}),
        "EVENT_SERVICE_ACCOUNT": ACCOUNT,
        "EVENT_AUDIENCE": AUDIENCE,
        "GOOGLE_CERTS_URL": signer.certs_url,
        "FORM_ORIGINS": ORIGIN,
        "FORM_PER_MINUTE": "1",
        "FORM_REQUIRE_TOKEN": "true",
        "TRIGGER_PUBLIC": "true",
        "POLL_WINDOW_SECONDS": "3",
        "POLL_IDLE_EXIT_SECONDS": "1",
    }


async def new_form_token(client: httpx.AsyncClient) -> str:
    """Return a form token that is old enough to be valid; retry while the store is not ready."""
    while True:
        response = await client.get("/form-token", headers={"Origin": ORIGIN})
        if response.status_code != 503:
            break
        await asyncio.sleep(int(response.headers["retry-after"]))
    await asyncio.sleep(FORM_TOKEN_SECONDS)
    return str(response.raise_for_status().json()["formToken"])


async def send_all(clients: list[httpx.AsyncClient], posts: list[Post]) -> list[httpx.Response]:
    """Send all at once, to each trigger in turn, over open connections."""
    turns = [clients[number % len(clients)] for number in range(len(posts))]
    await asyncio.gather(*(client.get("/health") for client in turns))
    sent = (
        send(client, content=post.content, headers=dict(post.headers))
        for client, post in zip(turns, posts, strict=True)
    )
    return await asyncio.gather(*sent)


async def all_ended(caller: Caller, answers: dict[str, list[httpx.Response]]) -> None:
    """Wait until every job is final, so that no run can start any more."""
    caller.http.headers["Authorization"] = f"Bearer {TOKEN}"
    good = [answer.json() for posts in answers.values() for answer in posts if answer.is_success]
    for job_id in {job_id for answer in good for job_id in ids_of(answer)}:
        await caller.finished(job_id, SECONDS)


async def jobs_in(places: Places) -> Counter[str]:
    store = places.jobs()
    try:
        return Counter(job.prompt for job in await store.list_jobs(JobQuery(limit=1000)))
    finally:
        await store.close()
