"""The report of a window: its counts, for the scheduler's log and for the dashboard."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.public_job import timestamp
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate
from shared.store_errors import StoreError

FAR_FUTURE = timedelta(days=365)  # later than any place in the queue


@dataclass(slots=True)
class Counts:
    """What a window did. The names are part of the response of `POST /`."""

    claimed: int = 0
    dispatched: int = 0
    polled: int = 0
    completed: int = 0
    stored: int = 0
    failed: int = 0
    bytes: int = 0

    def add(self, before: Job, lease: Lease) -> None:
        """Count what happened to a job since it was claimed."""
        after = lease.job
        stored_before = {image.name for image in before.images if image.name}
        new = [image for image in after.images if image.name and image.name not in stored_before]
        self.polled += lease.notes.polls
        self.completed += not before.copying_since and bool(after.copying_since)
        self.stored += len(new)
        self.bytes += sum(image.bytes or 0 for image in new)
        self.failed += after.status is Status.FAILED and before.status is not Status.FAILED


async def report(counts: Counts, seconds: float, oldest_due: float, running: int, deps: Deps) -> dict[str, Any]:
    """Log the window and return its counts and duration in seconds.

    `seconds`: the duration; `oldest_due`: how late the latest due job was, in seconds; `running`: runs left to the next
    window.
    """
    seconds = round(seconds, 3)
    figures = {"seconds": seconds, "oldestDueSeconds": round(oldest_due, 3), **await _state(running, deps)}
    deps.log.info(Event.WINDOW, "The window has ended.", **asdict(counts), **figures)
    return {**asdict(counts), "seconds": seconds}


async def _state(running: int, deps: Deps) -> dict[str, Any]:
    """The queue and the gate as the dashboard shows them; not worth failing a window for."""
    try:
        now = deps.clock.now()
        state = await deps.admission.recent()
        length = await deps.store.count_ahead(now + FAR_FUTURE)
    except StoreError:
        return {}
    suspension = next(iter(filter(None, (state.suspension, *state.workflows))), None)
    reason = gate.wait_reason(state, deps.config.limits, now, suspension.workflow if suspension else None)
    return {
        "queueLength": length,
        "running": running,
        "executionsToday": state.today(now),
        "newShapes": sum(deps.unknown_shapes.counts.values()),
        "gate": reason and str(reason),
        "gateUntil": timestamp(suspension.until) if suspension else None,
    }
