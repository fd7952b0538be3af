"""How long runs of each workflow took lately. The summary is in the gate's document, which both functions read."""

from shared.runtime.admission import Admission
from shared.spending.pacing import Summary, after_run
from shared.store_errors import StoreError

SAVE_AFTER = 8  # runs: saving them costs one write


class RunTimes:
    """The run times as this instance knows them."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._took: dict[str, Summary] = {}
        self._unsaved = 0

    async def of(self, workflow: str) -> Summary:
        """Return how long runs of a workflow took, in seconds; nothing if that is not known."""
        if workflow not in self._took:
            try:
                return (await self._admission.last_known()).run_seconds.get(workflow, ())
            except StoreError:
                return ()
        return self._took[workflow]

    async def add(self, workflow: str, running_at: float, ended_at: float) -> None:
        """Add a run that was still running at one poll and had ended at the next one, in seconds since its start."""
        self._took[workflow] = after_run(await self.of(workflow), running_at, ended_at)
        self._unsaved += 1

    async def save(self) -> None:
        """Store the run times, once for several runs."""
        if self._unsaved < SAVE_AFTER:
            return
        try:
            await self._admission.record_run_times(self._took)
        except StoreError:  # the next window tries again
            return
        self._unsaved = 0
