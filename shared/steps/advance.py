"""For each state of a job the step that does its work."""

from datetime import datetime

from shared.job import Status
from shared.steps.copy import copy
from shared.steps.dispatch import give_up_waiting, resolve
from shared.steps.follow import follow, look_once_more, may_come_late
from shared.steps.input_images import forget
from shared.steps.lease import Lease
from shared.steps.prepare import prepare
from shared.steps.request_budget import NoTurn
from shared.steps.services import Services


async def advance(lease: Lease, services: Services) -> datetime | None:
    """Do what the job needs now; returns when it needs more, or None when nobody has to hold it any longer."""
    try:
        return await _step(lease, services)
    except NoTurn as missed:
        return missed.at


async def _step(lease: Lease, services: Services) -> datetime | None:
    match lease.job.status:
        case Status.QUEUED if not lease.job.prepared:
            return await prepare(lease, services)
        case Status.QUEUED:
            await give_up_waiting(lease, services)
            return None
        case Status.TRIGGERING:
            return await resolve(lease, services)
        case Status.RUNNING:
            return await follow(lease, services)
        case Status.COPYING:
            return await copy(lease, services)
        case Status.FAILED if may_come_late(lease.job):
            return await look_once_more(lease, services)
        case Status.SUCCEEDED | Status.CANCELED | Status.FAILED:
            return await forget(lease, services)
