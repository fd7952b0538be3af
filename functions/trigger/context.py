"""What every route works with: what the steps share, and the auth."""

from dataclasses import dataclass

from shared.runtime.dependencies import Deps

from .auth.auth import Auth


@dataclass(frozen=True, slots=True)
class Context:
    """One of each in an instance, made by `main` or by a test."""

    deps: Deps
    auth: Auth
