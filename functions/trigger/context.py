"""What every route gets beside the request: the dependencies and the authentication of this instance."""

from dataclasses import dataclass

from shared.runtime.dependencies import Deps

from .auth.auth import Auth


@dataclass(frozen=True, slots=True)
class Context:
    """One per instance, created by `main` or by a test."""

    deps: Deps
    auth: Auth
