"""The paid runs: who started them, when they end, and which key they answer to."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from .asked import asked
from .clock import stamp
from .ledger import Ledger
from .order import Order
from .pictures import Picture, picture_of
from .routes import Endpoint
from .thumbnail import InputImage

# "Identical keys within 24 hours replay the original response": the guide, step 5.
KEY_LIFE = timedelta(hours=24)


@dataclass(frozen=True)
class Run:
    """One run that was paid for. `webhook_id`: of the webhook or the workflow that was called."""

    execution_id: str
    webhook_id: str
    idempotency_key: str | None
    prompt: str
    body: Mapping[str, Any]
    started_at: datetime
    ends_at: datetime
    count: int = 1
    stories: tuple[str, ...] = ()  # faults of the run itself, as `name` or `name@endpoint`
    endpoint: Endpoint = Endpoint.TRIGGER
    input: InputImage | None = None
    refused: str | None = None  # why the executor fails it

    @property
    def order(self) -> Order:
        """What was asked for."""
        return asked(self.endpoint, self.body)

    def ended(self, now: datetime) -> bool:
        """Whether the result is there."""
        return now >= self.ends_at

    def pictures(self) -> tuple[Picture, ...]:
        """What the run draws, in order."""
        order = self.order
        numbers = range(self.count)
        return tuple(picture_of(self.execution_id, n, order.caption, order.fields, self.input) for n in numbers)

    def to_json(self) -> dict[str, Any]:
        """The run as it stands in /_runs."""
        return {**self.to_line(), "input": self.input.sha256 if self.input else None}

    def to_line(self) -> dict[str, Any]:
        """The run as its line in the ledger."""
        return {
            "executionId": self.execution_id,
            "webhookId": self.webhook_id,
            "idempotencyKey": self.idempotency_key,
            "prompt": self.prompt,
            "body": dict(self.body),
            "startedAt": stamp(self.started_at),
            "endsAt": stamp(self.ends_at),
            "count": self.count,
            "faults": list(self.stories),
            "endpoint": self.endpoint,
            "input": self.input.to_json() if self.input else None,
            "refused": self.refused,
        }

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Self:
        """The run that `to_line` wrote."""
        return cls(
            line["executionId"],
            line["webhookId"],
            line["idempotencyKey"],
            line["prompt"],
            line["body"],
            datetime.fromisoformat(line["startedAt"]),
            datetime.fromisoformat(line["endsAt"]),
            line["count"],
            tuple(line["faults"]),
            # A ledger may be older than these.
            Endpoint(line.get("endpoint", Endpoint.TRIGGER)),
            InputImage.from_json(line["input"]) if line.get("input") else None,
            line.get("refused"),
        )


class World:
    """Every paid run, in the order of their starts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._runs: dict[str, Run] = {}
        self._by_key: dict[tuple[str, str], Run] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}
        for line in ledger.read():
            self._remember(Run.of_line(line))

    async def start(self, run: Run) -> None:
        """Pay for a run; returns when a kill can no longer undo it."""
        self._remember(run)
        self._writing[run.execution_id] = asyncio.create_task(self._write(run))
        await asyncio.shield(self._writing[run.execution_id])

    async def first_with(self, webhook_id: str, key: str | None, now: datetime) -> Run | None:
        """The run that this key started within 24 hours, once it is on the disk."""
        run = self._by_key.get((webhook_id, key)) if key else None
        if run is None or now >= run.started_at + KEY_LIFE:
            return None
        if run.execution_id in self._writing:
            await asyncio.shield(self._writing[run.execution_id])
        return run

    def find(self, execution_id: str) -> Run | None:
        """The run of this id."""
        return self._runs.get(execution_id)

    def runs(self) -> list[Run]:
        """Every run, the first started first."""
        return list(self._runs.values())

    def starts(self) -> list[datetime]:
        """When each run started, in order."""
        return sorted(run.started_at for run in self._runs.values())

    def clear(self) -> None:
        """Forget everything, on the disk too."""
        self._ledger.clear()
        self._runs.clear()
        self._by_key.clear()

    async def _write(self, run: Run) -> None:
        try:
            await self._ledger.append(run.to_line())
        except OSError:
            self._forget(run)
            raise
        finally:
            del self._writing[run.execution_id]

    def _remember(self, run: Run) -> None:
        self._runs[run.execution_id] = run
        if run.idempotency_key:
            self._by_key[run.webhook_id, run.idempotency_key] = run

    def _forget(self, run: Run) -> None:
        del self._runs[run.execution_id]
        if run.idempotency_key:
            del self._by_key[run.webhook_id, run.idempotency_key]


def most_within(starts: Iterable[datetime], span: timedelta) -> int:
    """The most starts that any stretch of this length saw; its end does not count as inside."""
    ordered = sorted(starts)
    return max((n + 1 - bisect_right(ordered, start - span) for n, start in enumerate(ordered)), default=0)
