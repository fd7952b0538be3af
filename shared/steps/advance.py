"""For each state of a job the step that does its work."""

from datetime import datetime

from shared.job import Status
from shared.steps.copy import copy
from shared.steps.dispatch import give_up_waiting, resolve
from shared.steps.follow import follow, look_once_more
from shared.steps.lease import Lease
from shared.steps.requests import NoTurn
from shared.steps.services import Services


async def advance(lease: Lease, services: Services) -> datetime | None:
    """Do what the job needs now; returns when it needs more, or None when nobody has to hold it any longer."""
    try:
        return await _step(lease, services)
    except NoTurn as missed:
        return missed.at


async def _step(lease: Lease, services: Services) -> datetime | None:
    match lease.job.status:
        case Status.QUEUED:
            await give_up_waiting(lease, services)
            return None
        case Status.TRIGGERING:
            return await resolve(lease, services)
        case Status.RUNNING:
            return await follow(lease, services)
        case Status.COPYING:
            return await copy(lease, services)
        case Status.FAILED:
            return await look_once_more(lease, services)
        case Status.SUCCEEDED | Status.CANCELED:
            await lease.save(due_at=None)
            return None
