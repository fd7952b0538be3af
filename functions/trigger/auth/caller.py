"""Who calls, by which door, and what follows from that."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.problems import Problem


class CallerKind(StrEnum):
    """How a caller came in."""

    TOKEN = "token"  # noqa: S105 - the door's name
    SIGNATURE = "signature"
    EVENT = "event"
    FORM = "form"
    OPEN = "open"  # no door is configured


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `admin` sees the jobs of all callers."""

    door: CallerKind
    name: str | None = None
    admin: bool = False

    @property
    def private(self) -> bool:
        """Whether its jobs are read by nobody else."""
        return self.door in (CallerKind.TOKEN, CallerKind.SIGNATURE)

    @property
    def browser(self) -> bool:
        """Whether it is anybody who opened a page."""
        return self.door is CallerKind.FORM

    @property
    def may_send_batches(self) -> bool:
        """Whether it may submission many images at once."""
        return self.door in (CallerKind.TOKEN, CallerKind.SIGNATURE, CallerKind.EVENT)


def check_may_send_batches(caller: Caller) -> None:
    """Problem 403 unless the caller may submission many images at once."""
    if not caller.may_send_batches:
        raise Problem("forbidden", "Arrays and prompts need a token, a signature or an event. Send one prompt.")


def springs_honeypot(caller: Caller, website: Any) -> bool:
    """Whether the field that people do not see was filled in; only of browsers, for others it is a field as any."""
    blank = website is None or (isinstance(website, str) and not website.strip())
    return caller.browser and not blank
