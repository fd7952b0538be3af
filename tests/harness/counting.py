"""A job store that counts reads and writes and records the states of each job."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.hooks import Hook
from shared.job import Job
from shared.job_states import Status
from shared.ports import JobQuery, JobRow, JobStore
from shared.spending.gate_state import Gate
from shared.spending.usage import UsageDay, UsageRow, UsageVersions


class WatchedJobs:
    """Counts like Firestore's bill: one per write, one per document read, none for an empty result."""

    def __init__(self, inner: JobStore) -> None:
        self.writes = 0
        self.reads = 0
        self.states: defaultdict[str, list[Status]] = defaultdict(list)
        self._inner = inner

    def reset(self) -> None:
        self.writes = self.reads = 0

    async def create(self, job: Job) -> Job:
        self.writes += 1
        self._record(job)
        return await self._inner.create(job)

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        self.writes += len(jobs)
        return await self._inner.create_all(jobs)

    async def save(self, job: Job) -> Job:
        self.writes += 1
        saved = await self._inner.save(job)
        self._record(job)
        return saved

    async def get(self, job_id: str) -> Job | None:
        return self._count(await self._inner.get(job_id))

    async def due(
        self, now: datetime, limit: int, since: datetime | None = None, *, in_flight: bool = False
    ) -> list[JobRow]:
        return self._count(await self._inner.due(now, limit, since, in_flight=in_flight))

    async def queue_head(self, now: datetime, limit: int, since: datetime | None = None) -> list[JobRow]:
        return self._count(await self._inner.queue_head(now, limit, since))

    async def with_execution(self, execution_id: str, limit: int) -> list[JobRow]:
        return self._count(await self._inner.with_execution(execution_id, limit))

    async def count_ahead(self, queue_at: datetime) -> int:
        return self._count(await self._inner.count_ahead(queue_at))

    async def count_queued(self, caller: str, limit: int) -> int:
        return self._count(await self._inner.count_queued(caller, limit))

    async def usage_rows(self, query: JobQuery) -> list[UsageRow]:
        return self._count(await self._inner.usage_rows(query))

    async def read_usage(self, day: str) -> UsageDay | None:
        self.reads += 1
        return await self._inner.read_usage(day)

    async def save_usage(self, usage: UsageDay) -> None:
        self.writes += 1
        await self._inner.save_usage(usage)

    async def read_usage_versions(self) -> UsageVersions:
        self.reads += 1
        return await self._inner.read_usage_versions()

    async def save_usage_versions(self, versions: UsageVersions) -> None:
        self.writes += 1
        await self._inner.save_usage_versions(versions)

    async def read_gate(self) -> Gate:
        self.reads += 1
        return await self._inner.read_gate()

    async def save_gate(self, gate: Gate) -> Gate:
        self.writes += 1
        return await self._inner.save_gate(gate)

    async def active_hooks(self) -> list[Hook]:
        return self._count(await self._inner.active_hooks())

    async def get_hook(self, hook_id: str) -> Hook | None:
        return self._count(await self._inner.get_hook(hook_id))

    async def create_hook(self, hook: Hook) -> Hook:
        self.writes += 1
        return await self._inner.create_hook(hook)

    async def save_hook(self, hook: Hook) -> Hook:
        self.writes += 1
        return await self._inner.save_hook(hook)

    async def hooks_of(self, caller: str) -> list[Hook]:
        return self._count(await self._inner.hooks_of(caller))

    async def id_secret(self) -> bytes:
        return await self._inner.id_secret()

    async def close(self) -> None:
        await self._inner.close()

    def _record(self, job: Job) -> None:
        states = self.states[job.id]
        if not states or states[-1] is not job.status:
            states.append(job.status)

    def _count(self, found: Any) -> Any:
        self.reads += len(found) if isinstance(found, list) else bool(found)
        return found
