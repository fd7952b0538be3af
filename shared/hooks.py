"""Hooks: subscriptions of callers to jobs that become final."""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from shared.callbacks import EVENTS, CallbackFormat
from shared.listed_job import ListedJob

MAX_HOOKS = 100  # of one caller
OLD_SECRET_SIGNS = timedelta(hours=24)  # beside the new one
MAX_OLD_SECRETS = 4  # after several rotations: each is a signature of every message


class HookStatus(StrEnum):
    """Whether a hook gets notifications."""

    ACTIVE = "active"
    ENDED = "ended"  # its receiver responded with 410 Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSecret:
    """A secret that signs the messages of a hook until `until`; None: until it is replaced."""

    secret: str = field(repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A receiver of the jobs of its caller, or with `admin` of those of all callers.

    `caller`: the name of a token, "" if no authentication is configured; `workflow`: None for all; `secrets`: the
    current one first.
    """

    id: str
    hook_url: str = field(repr=False)  # it may contain a secret
    caller: str
    created_at: datetime
    secrets: tuple[HookSecret, ...]
    events: tuple[str, ...] = tuple(EVENTS.values())
    workflow: str | None = None
    format: CallbackFormat = CallbackFormat.STANDARD
    status: HookStatus = HookStatus.ACTIVE
    admin: bool = False
    revision: Any = field(default=None, compare=False, repr=False)

    def hears(self, job: ListedJob) -> bool:
        """Whether the hook is to be notified of this final job."""
        is_callers = self.admin or self.caller == job.caller
        return is_callers and self.workflow in (None, job.workflow) and EVENTS[job.status] in self.events

    def signing_secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign a message now, the current one first."""
        return [one.secret for one in self.secrets if one.until is None or one.until > now]

    def rotated(self, secret: str, now: datetime) -> "Hook":
        """The hook has a new secret; messages are also signed with the old one for a day."""
        current, *older = self.secrets
        old = [dataclasses.replace(current, until=now + OLD_SECRET_SIGNS), *older]
        valid = [one for one in old if one.until and one.until > now]
        return dataclasses.replace(self, secrets=(HookSecret(secret=secret), *valid[:MAX_OLD_SECRETS]))

    def ended(self) -> "Hook":
        """The receiver no longer exists."""
        return dataclasses.replace(self, status=HookStatus.ENDED)


class HookStore(Protocol):
    """The part of a job store that keeps hooks. The time limits and revisions of `JobStore` apply."""

    async def create_hook(self, hook: Hook) -> Hook:
        """Store a new hook and return it with its revision."""

    async def get_hook(self, hook_id: str) -> Hook | None:
        """Return the hook, or None."""

    async def save_hook(self, hook: Hook) -> Hook:
        """Replace the fields of a hook, return it with its new revision; raise Conflict if it was changed since."""

    async def delete_hook(self, hook_id: str) -> None:
        """Delete a hook, if it exists."""

    async def hooks_of(self, caller: str | None) -> list[Hook]:
        """Return the hooks of a caller, or of all (None), oldest first."""

    async def active_hooks(self) -> list[Hook]:
        """Return the active hooks of all callers, oldest first."""
