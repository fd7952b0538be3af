"""The caller of a request, and what its credential implies."""

from dataclasses import dataclass
from enum import StrEnum


class CallerKind(StrEnum):
    """How a caller was identified, in order of precedence."""

    TOKEN = "token"  # noqa: S105 - the name of a credential
    SIGNATURE = "signature"
    EVENT = "event"
    FORM = "form"  # a page of an allowed origin
    OPEN = "open"  # no credential of ours is needed


_PRECEDENCE = {kind: rank for rank, kind in enumerate(CallerKind)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. An `admin` may read the jobs of all callers, and act on them."""

    kind: CallerKind
    name: str | None = None
    admin: bool = False

    @property
    def private(self) -> bool:
        """Whether only this caller and admins may read its jobs.

        A signature covers neither method nor path, so a sender of webhooks cannot follow a job with it: its jobs are
        read by id, as those of events are.
        """
        return self.kind is CallerKind.TOKEN

    @property
    def operator(self) -> bool:
        """Whether it is the person who runs the service, on the same machine."""
        return self.admin and self.kind is CallerKind.OPEN

    @property
    def browser(self) -> bool:
        """Whether it is an anonymous visitor of a page."""
        return self.kind is CallerKind.FORM

    @property
    def lists_all(self) -> bool:
        """Whether its lists include the jobs of all callers."""
        return self.admin or self.kind is CallerKind.OPEN

    @property
    def may_send_batches(self) -> bool:
        """Whether it may submit several jobs in one request."""
        return self.kind in (CallerKind.TOKEN, CallerKind.SIGNATURE, CallerKind.EVENT)


def preferred(*callers: Caller | None) -> Caller | None:
    """Return the caller whose kind takes precedence, the first of equals; None if there is none."""
    return min(filter(None, callers), key=lambda caller: _PRECEDENCE[caller.kind], default=None)
