"""A job store that is watched: what it costs, and which states each job went through."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from shared.job import Job, Status
from shared.ports import JobRow, JobStore
from shared.spending.gate import Gate


class WatchedJobs:
    """Counts as Firestore bills: a write each, a read for each document that comes back, none for an empty answer."""

    def __init__(self, inner: JobStore) -> None:
        self.writes = 0
        self.reads = 0
        self.states: defaultdict[str, list[Status]] = defaultdict(list)
        self._inner = inner

    def forget(self) -> None:
        self.writes = self.reads = 0

    async def create(self, job: Job) -> Job:
        self.writes += 1
        self._note(job)
        return await self._inner.create(job)

    async def save(self, job: Job) -> Job:
        self.writes += 1
        saved = await self._inner.save(job)
        self._note(job)
        return saved

    async def get(self, job_id: str) -> Job | None:
        return self._counted(await self._inner.get(job_id))

    async def due(self, now: datetime, limit: int) -> list[JobRow]:
        return self._counted(await self._inner.due(now, limit))

    async def queue_head(self, now: datetime, limit: int) -> list[JobRow]:
        return self._counted(await self._inner.queue_head(now, limit))

    async def with_execution(self, execution_id: str, limit: int) -> list[JobRow]:
        return self._counted(await self._inner.with_execution(execution_id, limit))

    async def count_ahead(self, queue_at: datetime) -> int:
        return self._counted(await self._inner.count_ahead(queue_at))

    async def read_gate(self) -> Gate:
        self.reads += 1
        return await self._inner.read_gate()

    async def save_gate(self, gate: Gate) -> Gate:
        self.writes += 1
        return await self._inner.save_gate(gate)

    async def id_secret(self) -> bytes:
        return await self._inner.id_secret()

    async def close(self) -> None:
        await self._inner.close()

    def _note(self, job: Job) -> None:
        states = self.states[job.id]
        if not states or states[-1] is not job.status:
            states.append(job.status)

    def _counted(self, found: Any) -> Any:
        self.reads += len(found) if isinstance(found, list) else bool(found)
        return found
