"""A job store that counts reads and writes and records the states of each job."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobStore

READ_ONCE = ("id_secret", "close")  # the secret is read once by an instance


class WatchedJobs:
    """Counts documents: one for each that is written, and one for each that is read or listed."""

    def __init__(self, inner: JobStore) -> None:
        self.writes = 0
        self.reads = 0
        self.states: defaultdict[str, list[Status]] = defaultdict(list)
        self._inner = inner

    def reset(self) -> None:
        self.writes = self.reads = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name in READ_ONCE:
            return method
        return self._written(method) if name.startswith(("create", "save")) else self._read(method)

    def _written(self, method: Any) -> Any:
        async def write(documents: Any) -> Any:
            written = documents if isinstance(documents, Sequence) else [documents]
            self.writes += len(written)
            stored = await method(documents)
            for job in (one for one in written if isinstance(one, Job)):
                self._record(job)
            return stored

        return write

    def _read(self, method: Any) -> Any:
        async def read(*args: Any, **kwargs: Any) -> Any:
            found = await method(*args, **kwargs)
            self.reads += len(found) if isinstance(found, list) else bool(found)
            return found

        return read

    def _record(self, job: Job) -> None:
        states = self.states[job.id]
        if not states or states[-1] is not job.status:
            states.append(job.status)
