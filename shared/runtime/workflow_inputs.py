"""The inputs of saved workflows, as Wireflow describes them: asked for when they are needed, and known for a while.

Anybody can bring these questions about, and Wireflow takes few a minute: one at a time, and none soon after a refusal.
"""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

from shared.ports import Clock, Wireflow
from shared.runtime.request_limiter import RequestLimiter
from shared.wireflow.errors import WireflowError
from shared.workflows import NodeInput, Workflow

FRESH = timedelta(minutes=5)
REFUSED_FOR = timedelta(seconds=20)


class WorkflowInputs:
    """What this instance was told."""

    def __init__(self, wireflow: Wireflow, requests: RequestLimiter, clock: Clock) -> None:
        self._wireflow = wireflow
        self._requests = requests
        self._clock = clock
        self._turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: dict[str, tuple[tuple[NodeInput, ...], datetime]] = {}
        self._refused: dict[str, tuple[WireflowError, datetime]] = {}

    def known(self, workflow: Workflow) -> tuple[NodeInput, ...] | None:
        """The inputs, if somebody has asked lately."""
        inputs, asked_at = self._known.get(workflow.name, (None, None))
        return inputs if asked_at and self._clock.now() - asked_at < FRESH else None

    async def ask(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """The inputs, from Wireflow if need be; any error of `Wireflow.describe`."""
        async with self._turn[workflow.name]:
            if (known := self.known(workflow)) is not None:
                return known
            error, asked_at = self._refused.get(workflow.name, (None, None))
            if error and asked_at and self._clock.now() - asked_at < REFUSED_FOR:
                raise error
            return await self._ask(workflow)

    async def _ask(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        now = self._clock.now()
        self._requests.note(now)
        try:
            inputs = await self._wireflow.describe(workflow)
        except WireflowError as error:
            self._refused[workflow.name] = error, now
            raise
        self._known[workflow.name] = inputs, now
        return inputs
