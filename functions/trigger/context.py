"""What every route works with: the dependencies of the steps, and the authentication of callers."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from shared.runtime.dependencies import Deps

from .auth.auth import Auth

if TYPE_CHECKING:
    import httpx

VERIFY_SECONDS = 5.0  # for Google's certificates and the Turnstile check, while the caller waits


@dataclass(frozen=True, slots=True)
class Context:
    """One per instance. Tests build their own."""

    deps: Deps
    auth: Auth


def create_context(deps: Deps) -> Context:
    """Build the context of an instance."""
    config = deps.config
    auth = Auth(config.auth, config.public_url, deps.store, deps.clock, deps.log, cache(_client))
    return Context(deps, auth)


def _client() -> "httpx.AsyncClient":
    """Create the client that verifies credentials; most deployments need none."""
    import httpx

    return httpx.AsyncClient(timeout=VERIFY_SECONDS, trust_env=False)
