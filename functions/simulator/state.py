"""Everything that one simulator holds. Tests build their own, with their own clock and ids."""

import random
import secrets
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from .book import Book
from .clock import Clock, SystemClock
from .fetch import fetch
from .ledger import Ledger
from .limits import Limits
from .media import Media
from .settings import Settings
from .stats import Stats
from .world import World


def random_id() -> str:
    """An id that no other process gives: runs outlive the process in the ledger."""
    return secrets.token_hex(8)


class Simulator:
    """The stand-in's memory; only the paid runs and the uploaded images are on the disk."""

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Clock | None = None,
        new_id: Callable[[], str] = random_id,
        fetch: Callable[[str], Awaitable[bytes]] = fetch,
    ) -> None:
        self.settings = settings or Settings()
        self.clock = clock or SystemClock()
        self.new_id = new_id
        self.fetch = fetch
        self.world = World(Ledger(self.settings.state))
        self.media = Media(self.settings.state)
        self._begin()

    def reset(self) -> None:
        """Forget runs, uploads, counts and faults; the settings stay."""
        self.world.clear()
        self.media.clear()
        self._begin()

    def change(self, settings: Settings) -> None:
        """Go on with other settings."""
        self.settings = settings
        self.limits.plan = settings.plan

    def _begin(self) -> None:
        self.limits = Limits(self.settings.plan)
        self.stats = Stats()
        # Chance decides about faults, never about secrets; the same seed brings the same faults.
        self.book = Book(random.Random(self.settings.seed))  # noqa: S311
        # Refusals that are replayed for their key, by webhook id and key.
        self.kept: dict[tuple[str, str], Response] = {}
