"""Tell the gate what has happened to a job. The job itself must be stored whether or not that succeeds."""

from collections.abc import Awaitable

from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.store_errors import StoreError


async def update_gate(update: Awaitable[None], deps: Deps) -> None:
    """Update the gate; if the store fails, log that and return."""
    try:
        await update
    except StoreError as error:
        deps.log.warning(Event.GATE_CLOSED, f"The gate could not be updated: {type(error).__name__}")
