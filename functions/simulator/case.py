"""One request to the stand-in, with all that is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from .asked import asked
from .clock import Clock
from .routes import PAID, Call
from .settings import Settings, Style
from .world import Run


@dataclass(frozen=True)
class Case:
    """A request, the call that it is, and the run that it is about (for a paid call: its body)."""

    request: Request
    call: Call
    now: datetime
    clock: Clock
    settings: Settings
    run: Run | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The prompt that the request is about, or nothing."""
        if self.run:
            return self.run.prompt
        return asked(self.call.endpoint, self.body).prompt if self.call.endpoint in PAID else ""

    @property
    def key(self) -> str | None:
        """The Idempotency-Key."""
        return self.request.headers.get("idempotency-key")

    @property
    def style(self) -> Style:
        """The envelope of answers that are about no run."""
        return self.settings.style

    @property
    def cdn(self) -> str:
        """What picture URLs begin with: SIMULATOR_CDN_URL, or the address that the request came to."""
        return self.settings.cdn_url or self.base

    @property
    def base(self) -> str:
        """The address that the request came to."""
        return str(self.request.base_url).rstrip("/")
