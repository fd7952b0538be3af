"""What one simulator remembers: paid runs and uploads, on the disk if a path is set; everything else in memory."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from starlette.responses import Response

from .api import Endpoint, Exchange, match
from .images import GeneratedImage, InputImage, render
from .run_requests import RunRequest, parse
from .settings import Settings
from .storage import Ledger, Uploads

# "Identical keys within 24 hours replay the original response": step 5 of Wireflow's guide.
KEY_LIFETIME = timedelta(hours=24)
MAX_RECEIVED = 20_000  # messages that are kept


class Clock(Protocol):
    """Time, passed in so that a test can simulate hours in milliseconds."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as on Wireflow's pages: 2025-03-20T12:01:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Run:
    """A paid run. `workflow_id` is the id of the webhook or workflow that was called."""

    execution_id: str
    workflow_id: str
    idempotency_key: str | None
    prompt: str
    body: Mapping[str, Any]
    started_at: datetime
    ends_at: datetime
    image_count: int = 1
    faults: tuple[str, ...] = ()  # those of the run itself, as `name` or `name@endpoint`
    endpoint: Endpoint = Endpoint.TRIGGER
    input: InputImage | None = None
    failure: str | None = None  # why the executor fails the run

    @property
    def request(self) -> RunRequest:
        """What the body asks for."""
        return parse(self.endpoint, self.body)

    def has_ended(self, now: datetime) -> bool:
        """Whether the result is there."""
        return now >= self.ends_at

    def images(self) -> tuple[GeneratedImage, ...]:
        """The images that the run generates, in order."""
        request, fields = self.request, self.request.fields
        numbers = range(self.image_count)
        return tuple(GeneratedImage.of(self.execution_id, n, request.caption, fields, self.input) for n in numbers)

    def to_json(self) -> dict[str, Any]:
        """Return the run's line in the ledger."""
        return {
            "executionId": self.execution_id,
            "webhookId": self.workflow_id,
            "idempotencyKey": self.idempotency_key,
            "prompt": self.prompt,
            "body": dict(self.body),
            "startedAt": timestamp(self.started_at),
            "endsAt": timestamp(self.ends_at),
            "count": self.image_count,
            "faults": list(self.faults),
            "endpoint": self.endpoint,
            "input": self.input.to_json() if self.input else None,
            "refused": self.failure,
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; lines of earlier versions lack the last three members."""
        return cls(
            execution_id=line["executionId"],
            workflow_id=line["webhookId"],
            idempotency_key=line["idempotencyKey"],
            prompt=line["prompt"],
            body=line["body"],
            started_at=datetime.fromisoformat(line["startedAt"]),
            ends_at=datetime.fromisoformat(line["endsAt"]),
            image_count=line["count"],
            faults=tuple(line["faults"]),
            endpoint=Endpoint(line.get("endpoint", Endpoint.TRIGGER)),
            input=InputImage.from_json(line["input"]) if line.get("input") else None,
            failure=line.get("refused"),
        )


class Runs:
    """All paid runs in the order of their starts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._runs: dict[str, Run] = {}
        self._by_key: dict[tuple[str, str], Run] = {}
        self._writes: dict[str, asyncio.Task[None]] = {}
        for line in ledger.read():
            self._remember(Run.from_json(line))

    async def add(self, run: Run) -> None:
        """Pay for a run; return when a kill can no longer undo it. OSError if it cannot be written."""
        self._remember(run)
        self._writes[run.execution_id] = asyncio.create_task(self._write(run))
        await asyncio.shield(self._writes[run.execution_id])

    async def find_by_key(self, workflow_id: str, key: str, now: datetime) -> Run | None:
        """Return the run that this key started in the last 24 hours, once it is on the disk."""
        run = self._by_key.get((workflow_id, key))
        if run is None or now >= run.started_at + KEY_LIFETIME:
            return None
        if run.execution_id in self._writes:
            await asyncio.shield(self._writes[run.execution_id])
        return run

    def find(self, execution_id: str) -> Run | None:
        """Return the run with this id."""
        return self._runs.get(execution_id)

    def all(self) -> list[Run]:
        """Return all runs, the first started first."""
        return [*self._runs.values()]

    def starts(self) -> list[datetime]:
        """Return when each run started, in order."""
        return sorted(run.started_at for run in self._runs.values())

    def clear(self) -> None:
        """Delete all runs, on the disk too."""
        self._ledger.clear()
        self._runs.clear()
        self._by_key.clear()

    async def _write(self, run: Run) -> None:
        try:
            await self._ledger.append(run.to_json())
        except OSError:
            del self._runs[run.execution_id]
            if run.idempotency_key:
                del self._by_key[run.workflow_id, run.idempotency_key]
            raise
        finally:
            del self._writes[run.execution_id]

    def _remember(self, run: Run) -> None:
        self._runs[run.execution_id] = run
        if run.idempotency_key:
            self._by_key[run.workflow_id, run.idempotency_key] = run


@dataclass
class Stats:
    """Counts since the process started, or since the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    responses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: Counter[str] = field(default_factory=Counter)
    polls: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    starts: int = 0
    replays: int = 0

    def count_request(self, endpoint: Endpoint, resource_id: str, now: datetime) -> None:
        """Count a request when it arrives."""
        self.requests[endpoint] += 1
        if endpoint is Endpoint.POLL:
            self.polls[resource_id].append(now)

    def count_response(self, endpoint: Endpoint, outcome: str) -> None:
        """Count the status of a response, or how it breaks."""
        self.responses[endpoint][outcome] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts as GET /_stats has them."""
        return {
            "endpoints": {endpoint: self.requests[endpoint] for endpoint in Endpoint},
            "answers": {endpoint: dict(counts) for endpoint, counts in self.responses.items()},
            "starts": self.starts,
            "replays": self.replays,
            "rateLimited": sum(counts["429"] for counts in self.responses.values()),
            "faults": dict(self.faults),
            "polls": {run: [timestamp(moment) for moment in moments] for run, moments in self.polls.items()},
        }


class State:
    """Everything that a simulator remembers except its fault schedule."""

    def __init__(
        self, settings: Settings, clock: Clock, new_id: Callable[[], str], fetch: Callable[[str], Awaitable[bytes]]
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.new_id = new_id
        self.fetch = fetch
        self.runs = Runs(Ledger(settings.state))
        self.uploads = Uploads(settings.state)
        self._clear_memory()

    def reset(self) -> None:
        """Delete runs, uploads and counts; the settings stay."""
        self.runs.clear()
        self.uploads.clear()
        self._clear_memory()

    def cdn_url(self, exchange: Exchange) -> str:
        """Return the start of image URLs: SIMULATOR_CDN_URL, or the host that the request was sent to."""
        return self.settings.cdn_url or exchange.base_url

    def is_own_url(self, url: object, exchange: Exchange) -> bool:
        """Whether a URL is on the CDN, or on the host that the request was sent to."""
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
        except ValueError:
            return False
        own = (urlsplit(self.cdn_url(exchange)).netloc, exchange.request.url.netloc)
        return parts is not None and parts.scheme in ("http", "https") and parts.netloc in own

    async def read_file(self, path: str) -> tuple[bytes, str] | None:
        """Return the bytes at a path on the CDN and their media type, or None."""
        found = match("GET", path)
        if found is None or found.endpoint is not Endpoint.CDN:
            return None
        if not found.resource_id:
            return await self.uploads.read(path)
        run = self.runs.find(found.resource_id)
        image = next((image for image in run.images() if image.path == path), None) if run else None
        return (await asyncio.to_thread(render, image), image.content_type) if image else None

    def _clear_memory(self) -> None:
        self.stats = Stats()
        self.recent_requests: deque[datetime] = deque()  # those of the last minute, for the rate limit
        # Error responses that are replayed for their idempotency key, by webhook or workflow id and key.
        self.stored_errors: dict[tuple[str, str], Response] = {}
        self.received: deque[dict[str, Any]] = deque(maxlen=MAX_RECEIVED)  # by the receivers of notifications
        self.deliveries: Counter[tuple[str, str]] = Counter()  # of a message, by receiver and webhook-id
