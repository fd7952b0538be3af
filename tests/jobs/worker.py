"""A process that works on a store: `python -m tests.jobs.worker COMMAND KIND ADDRESS`. Prints the ids of its jobs.

claim: wins due jobs until none is left. claim-blindly: the same without a precondition, which must be found out.
create: records jobs until it is killed. The first two print `ready` and begin when a line comes in.
"""

import asyncio
import dataclasses
import itertools
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import Conflict
from tests.jobs.places import NOW, PLACES, a_job

Claiming = Callable[[JobStore, Job], Awaitable[bool]]
LEASE = timedelta(seconds=60)


def tell(*words: str) -> None:
    sys.stdout.writelines(f"{word}\n" for word in words)
    sys.stdout.flush()


async def claim(store: JobStore, job: Job) -> bool:
    """Whether this process won the job."""
    try:
        await store.save(job.evolve(due_at=NOW + LEASE))
    except Conflict:
        return False
    return True


async def claim_blindly(store: JobStore, job: Job) -> bool:
    """As if a save asked for no revision: whatever is newest is overwritten."""
    while not await claim(store, dataclasses.replace(job, revision=(await store.get(job.id)).revision)):
        pass
    return True


async def due_jobs(store: JobStore) -> list[Job]:
    """The first due jobs, whole."""
    jobs = [await store.get(row.id) for row in await store.due(NOW, 20)]
    return [job for job in jobs if job and job.due_at and job.due_at <= NOW]


async def claim_all(store: JobStore, claiming: Claiming) -> None:
    jobs = await due_jobs(store)  # before anybody begins: all workers want the same first jobs
    tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    while jobs:
        won = await asyncio.gather(*(claiming(store, job) for job in jobs))
        tell(*(job.id for job, mine in zip(jobs, won, strict=True) if mine))
        jobs = await due_jobs(store)


async def create_all(store: JobStore) -> None:
    for number in itertools.count():
        job = await store.create(a_job(f"{os.getpid()}-{number}"))
        tell(job.id)


async def main(command: str, kind: str, address: str) -> None:
    store = PLACES[kind](address).open()
    commands = {
        "claim": lambda: claim_all(store, claim),
        "claim-blindly": lambda: claim_all(store, claim_blindly),
        "create": lambda: create_all(store),
    }
    await commands[command]()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
