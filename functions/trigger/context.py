"""What every route works with: what the steps share, and the doors."""

from dataclasses import dataclass

from shared.steps.services import Services

from .doors.doors import Doors


@dataclass(frozen=True, slots=True)
class Context:
    """One of each in an instance, made by `main` or by a test."""

    services: Services
    doors: Doors
