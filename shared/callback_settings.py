"""The settings of notifications: who signs them with which secrets, and the hosts of receivers in a local network.

A receiver must not be able to send a message back as a signed request: its secret is none of TRIGGER_SIGNING_SECRETS.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.auth_settings import parse_entries
from shared.notifications.signing import PREFIX, key_of

MAX_SECRETS = 2  # of one caller, while they are rotated
EVERYONE = "*"  # every caller that has no secrets of its own

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """`secrets`: by the name of a caller, or `EVERYONE`; the first one is the newest."""

    hosts: tuple[str, ...] = ()
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def secrets_of(self, caller: str | None) -> tuple[str, ...]:
        """Return what signs the messages for a `callbackUrl` of a caller; nothing: they are not signed."""
        return self.secrets.get(caller or EVERYONE) or self.secrets.get(EVERYONE, ())


def parse_callback_secrets(text: str) -> Mapping[str, tuple[str, ...]]:
    """Parse CALLBACK_SIGNING_SECRETS: a JSON object, name of a caller or `*` → list of `whsec_…`. Raise ValueError."""
    return dict(parse_entries(text, '{"*": ["whsec_…"]}', _secrets, {EVERYONE, "event"}.__contains__))


def parse_digests(text: str) -> frozenset[str]:
    """Parse SHA-256 digests in hex, separated by commas. Raise ValueError."""
    digests = [part.strip() for part in text.split(",")]
    if not all(map(_SHA256.fullmatch, digests)):
        raise ValueError("must be SHA-256 digests of 64 lowercase hex digits, separated by commas")
    return frozenset(digests)


def digests_of(secrets: Iterable[str]) -> frozenset[str]:
    """Return the SHA-256 of secrets as the other function knows them: of the text without its padding."""
    return frozenset(hashlib.sha256(_spelled(secret).encode()).hexdigest() for secret in secrets)


def _secrets(name: str, entry: Any) -> tuple[str, tuple[str, ...]]:
    if not isinstance(entry, list) or not 1 <= len(entry) <= MAX_SECRETS or not all(map(_is_secret, entry)):
        raise ValueError(
            f"must be a list of at most {MAX_SECRETS} secrets, each {PREFIX} followed by 24 to 64 bytes in base64"
        )
    return name, tuple(entry)


def _is_secret(entry: Any) -> bool:
    """Whether this is a secret in the one spelling that digests are made of."""
    try:
        return isinstance(entry, str) and bool(key_of(entry)) and _spelled(entry) == entry.rstrip("=")
    except ValueError:
        return False


def _spelled(secret: str) -> str:
    """Return a secret as its bytes are encoded: several texts in base64 may stand for the same bytes."""
    encoded = secret.removeprefix(PREFIX).rstrip("=")
    raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return PREFIX + base64.b64encode(raw).decode().rstrip("=")
