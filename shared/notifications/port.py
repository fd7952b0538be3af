"""The interface that delivery depends on: receivers that messages are sent to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

DELIVERY_SECONDS = 15.0  # for one attempt, however slowly the response arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverResponse:
    """The response of a receiver. `body`: its beginning, only of a failure; `retry_after`: the header."""

    status: int
    retry_after: str | None = None
    body: str | None = None


class DeliveryFailed(Exception):
    """There was no response, or no request was sent. The text says why, without the URL."""


class Receivers(Protocol):
    """Receivers of notifications, anywhere on the internet."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        """Send a message once, without following redirects. Raise DeliveryFailed, TimeoutError by DELIVERY_SECONDS."""
