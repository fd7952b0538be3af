"""Tables of rows, their upload, and what a batch says of itself, for tests of batches."""

import csv
import hashlib
import io
import json
from typing import Any

import httpx

from shared.batches import Batch
from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import World

COUNTS = ("total", "queued", "running", "succeeded", "failed", "canceled")
SMALL = "aspect_ratio=64:1"  # not a field that a table could have for a webhook
TOKENS = {name: f"token-of-{name}" for name in ("ann", "bob", "root")}
AUTH = {
    "TRIGGER_TOKENS": json.dumps(
        {
            name: {"sha256": hashlib.sha256(token.encode()).hexdigest(), "admin": name == "root"}
            for name, token in TOKENS.items()
        }
    )
}
PRICED = {
    "WIREFLOW_WORKFLOWS": json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.13}})
}


def table(count: int, first: int = 0) -> bytes:
    return ("prompt,sku\n" + "".join(f"cat {number},s-{number}\n" for number in range(first, first + count))).encode()


async def upload(world: World, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    return await world.http.post(f"/batches?{query}", content=content, headers={"Content-Type": "text/csv", **headers})


async def uploaded(world: World, content: bytes, query: str = "", **headers: str) -> dict[str, Any]:
    answer = await upload(world, content, query, **headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def batch(world: World, found: dict[str, Any]) -> dict[str, Any]:
    return dict((await world.http.get(f"/batches/{found['batchId']}")).raise_for_status().json())


async def jobs_of(world: World, found: dict[str, Any]) -> list[dict[str, Any]]:
    """All jobs of a batch, by row."""
    jobs, cursor = [], ""
    while True:
        page = (await world.http.get(f"/batches/{found['batchId']}/jobs?limit=100&cursor={cursor}")).json()
        jobs += page["jobs"]
        if not (cursor := page["nextCursor"]):
            return jobs[::-1]


async def results(world: World, found: dict[str, Any]) -> list[dict[str, str]]:
    answer = await world.http.get(f"/batches/{found['batchId']}/results.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]


async def ended(world: World, found: dict[str, Any]) -> dict[str, Any]:
    await world.end_of(*(job["id"] for job in await jobs_of(world, found)))
    await world.clock.sleep(11)
    return await batch(world, found)


class Breaking:
    """A store that fails after some commits of several jobs, or with `saves` False when a batch is saved."""

    def __init__(self, store: JobStore, commits: int, *, saves: bool = True) -> None:
        self._store, self.commits, self.sizes, self.saves = store, commits, list[int](), saves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create_all(self, jobs: list[Job]) -> list[Job]:
        if self.commits == 0:
            raise StoreUnavailable("as the test wants it")
        self.commits -= 1
        self.sizes.append(len(jobs))
        return await self._store.create_all(jobs)

    async def save_batch(self, batch: Batch) -> Batch:
        if not self.saves:
            raise StoreUnavailable("as the test wants it")
        return await self._store.save_batch(batch)
