"""The inputs of saved workflows as Wireflow describes them, fetched on demand and cached.

Any caller can cause these requests and Wireflow allows few a minute: one at a time for each workflow, and none soon
after a failure.
"""

import asyncio
from collections import defaultdict

from shared.ports import Clock, Wireflow
from shared.runtime.request_limiter import RequestLimiter
from shared.wireflow.errors import WireflowError
from shared.workflows import NodeInput, Workflow

MAX_AGE = 300.0  # seconds
RETRY_AFTER = 20.0


class WorkflowInputs:
    """The cache of an instance."""

    def __init__(self, wireflow: Wireflow, requests: RequestLimiter, clock: Clock) -> None:
        self._wireflow = wireflow
        self._requests = requests
        self._clock = clock
        self._fetching: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._inputs: dict[str, tuple[tuple[NodeInput, ...], float]] = {}
        self._errors: dict[str, tuple[WireflowError, float]] = {}

    def cached(self, workflow: Workflow) -> tuple[NodeInput, ...] | None:
        """Return the inputs if they were fetched in the last five minutes, or None."""
        inputs, fetched_at = self._inputs.get(workflow.name, (None, 0.0))
        return inputs if self._clock.monotonic() - fetched_at < MAX_AGE else None

    async def get(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """Return the inputs, from Wireflow if need be. Raise the errors of `Wireflow.describe_inputs`."""
        async with self._fetching[workflow.name]:
            if (cached := self.cached(workflow)) is not None:
                return cached
            error, failed_at = self._errors.get(workflow.name, (None, 0.0))
            if error and self._clock.monotonic() - failed_at < RETRY_AFTER:
                raise error
            return await self._fetch(workflow)

    async def _fetch(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        now = self._clock.monotonic()
        self._requests.record()
        try:
            inputs = await self._wireflow.describe_inputs(workflow)
        except WireflowError as error:
            self._errors[workflow.name] = error, now
            raise
        self._inputs[workflow.name] = inputs, now
        return inputs
