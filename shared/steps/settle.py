"""Settle a run: in the gate its cost takes the place of what was reserved for its start.

The job is saved first, so that a crash in between leaves the reservation: it is never corrected twice.
"""

from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.store_errors import StoreError


async def settle(before: Job, after: Job, deps: Deps) -> None:
    """Correct the gate if the cost of the run has become known between two states of the job."""
    if before.reservation is None or after.reservation is not None:
        return
    try:
        await deps.admission.settle(after, before.reservation)
    except StoreError as error:
        message = f"The cost of a run could not be counted, its estimate stays reserved: {type(error).__name__}"
        deps.log.warning(Event.SPEND_LIMIT, message, **after.log_fields())
