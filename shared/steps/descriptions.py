"""The inputs of saved workflows, as Wireflow describes them: asked for when they are needed, and known for a while."""

from datetime import datetime, timedelta

from shared.ports import Clock, Wireflow
from shared.workflows import NodeInput, Workflow

FRESH = timedelta(minutes=5)


class Descriptions:
    """What this instance was told."""

    def __init__(self, wireflow: Wireflow, clock: Clock) -> None:
        self._wireflow = wireflow
        self._clock = clock
        self._known: dict[str, tuple[tuple[NodeInput, ...], datetime]] = {}

    def known(self, workflow: Workflow) -> tuple[NodeInput, ...] | None:
        """The inputs, if somebody has asked lately."""
        inputs, asked_at = self._known.get(workflow.name, (None, None))
        return inputs if asked_at and self._clock.now() - asked_at < FRESH else None

    async def ask(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """The inputs, from Wireflow if need be; any error of `Wireflow.describe`."""
        if (known := self.known(workflow)) is not None:
            return known
        inputs = await self._wireflow.describe(workflow)
        self._known[workflow.name] = inputs, self._clock.now()
        return inputs
