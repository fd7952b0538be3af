"""The hooks that an instance knows, read at most every 10 seconds and only when a job has become final."""

import asyncio
import math
from collections.abc import Mapping

from shared.hooks import Hook, HookStatus
from shared.listed_job import ListedJob
from shared.ports import Clock, JobStore
from shared.store_errors import Conflict

RECENT = 10.0  # seconds for which hooks are not read again
TRIES = 3  # to end a hook that others change


class Hooks:
    """The active hooks of all callers."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._active: Mapping[str, Hook] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def matching(self, job: ListedJob) -> list[Hook]:
        """Return the hooks that are to be notified of a final job. Raise StoreError."""
        return [hook for hook in (await self._snapshot()).values() if hook.hears(job)]

    async def secrets(self, hook_id: str) -> list[str]:
        """Return the secrets that sign a message now, the current one first. Raise StoreError.

        Without any, the hook has ended or was deleted, and gets no more messages.
        """
        hook = (await self._snapshot()).get(hook_id)
        if hook is None:  # another instance may have read it before us
            hook = await self._store.get_hook(hook_id)
        if hook is None or hook.status is HookStatus.ENDED:
            return []
        return hook.signing_secrets(self._clock.now())

    async def end(self, hook_id: str) -> None:
        """End a hook whose receiver responded with 410. Raise StoreError.

        If others keep changing it, it stays active: the next 410 ends it.
        """
        for _ in range(TRIES):
            hook = await self._store.get_hook(hook_id)
            if hook is not None and hook.status is HookStatus.ACTIVE:
                try:
                    await self._store.save_hook(hook.ended())
                except Conflict:
                    continue
            self._active = {known: active for known, active in self._active.items() if known != hook_id}
            return

    async def _snapshot(self) -> Mapping[str, Hook]:
        """Return the active hooks by id. Concurrent calls share one read."""
        async with self._reading:
            if self._clock.monotonic() - self._read_at >= RECENT:
                self._active = {hook.id: hook for hook in await self._store.active_hooks()}
                self._read_at = self._clock.monotonic()
        return self._active
