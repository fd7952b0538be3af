"""What every route works with: the dependencies of the steps, and the authentication of callers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from shared.runtime.dependencies import Deps

from .auth.authenticate import Authenticator
from .auth.form_admission import FormAdmission
from .recently_missing import RecentlyMissing
from .responses.prefer import Waits

if TYPE_CHECKING:
    import httpx

VERIFY_SECONDS = 5.0  # for Google's certificates and the Turnstile check, while the caller waits


@dataclass(frozen=True, slots=True)
class Context:
    """One per instance. Tests build their own."""

    deps: Deps
    authenticator: Authenticator
    forms: FormAdmission
    waits: Waits
    missing: RecentlyMissing  # ids of neither a job nor an image


def _client() -> "httpx.AsyncClient":
    """Create the client for the services that verify credentials; most deployments need none."""
    import httpx

    return httpx.AsyncClient(timeout=VERIFY_SECONDS, trust_env=False)


def create_context(deps: Deps, http: Callable[[], "httpx.AsyncClient"] = _client) -> Context:
    """Build the context of an instance. `http` creates the client for verifiers, when one is first needed."""
    config, http = deps.config, cache(http)  # one client for all
    authenticator = Authenticator(config.auth, config.public_url, deps.clock, deps.log, http)
    forms = FormAdmission(config.auth, deps.store, deps.clock, deps.log, http)
    return Context(deps, authenticator, forms, Waits(deps), RecentlyMissing(deps.clock))
