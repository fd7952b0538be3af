"""The auth of the trigger as they are configured: who may come in, by which credential, and how often.

https://www.standardwebhooks.com; https://cloud.google.com/run/docs/authenticating/service-to-service
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any, TypeVar

T = TypeVar("T")

LEAST_SECRET = 16  # bytes

_NAME = re.compile(r"[A-Za-z0-9._-]{1,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:(?P<port>\d+))?"
)
_UP_TO_PATH = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Token:
    """A caller's token. Only its SHA-256 is known here; an `admin` sees the jobs of all callers."""

    name: str
    sha256: str = field(repr=False)
    admin: bool = False


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A caller that signs its requests; two secrets while they are changed."""

    name: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """See "Authentication" in functions/trigger/README.md. If any is configured, every request needs a credential."""

    tokens: tuple[Token, ...] = ()
    signing_secrets: tuple[SigningSecret, ...] = ()
    event_account: str | None = None
    event_audience: str | None = None
    origins: tuple[str, ...] = ()
    form_per_minute: int = 5  # 0: no limit
    form_per_hour: int = 100  # 0: no limit
    form_token_required: bool = False
    turnstile_secret: str | None = field(default=None, repr=False)
    turnstile_url: str = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    public: bool | None = None  # None: nobody has said
    trusted_proxies: int = 0
    on_cloud_run: bool = False

    @property
    def configured(self) -> bool:
        """Whether there is a door at all."""
        return bool(self.tokens or self.signing_secrets or self.event_account or self.origins)


def parse_tokens(text: str) -> tuple[Token, ...]:
    """TRIGGER_TOKENS: JSON, name → SHA-256 in hex, or `{"sha256","admin"}`; ValueError says what is wrong."""
    tokens = _each(text, '{"zapier": "the token\'s SHA-256"}', _token)
    _refuse_shared(tokens, lambda token: [token.sha256])
    return tokens


def parse_signing_secrets(text: str) -> tuple[SigningSecret, ...]:
    """TRIGGER_SIGNING_SECRETS: JSON, name → list of `whsec_…`; ValueError says what is wrong."""
    signers = _each(text, '{"shop": ["whsec_…"]}', _signing_secret)
    _refuse_shared(signers, lambda signer: [secret.rstrip("=") for secret in signer.secrets])
    return signers


def parse_origins(text: str) -> tuple[str, ...]:
    """FORM_ORIGINS: `scheme://host[:port]`, separated by commas; ValueError says what is wrong."""
    origins = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        if not (origin := _normal(entry)):
            raise ValueError(
                f"{entry[:80]!r} must be http(s)://host or http(s)://host:port, without a path and without *"
            )
        origins.append(origin)
    if not origins:
        raise ValueError("must be origins such as https://www.example.com, separated by commas")
    return tuple(dict.fromkeys(origins))


def origin_of(url: str) -> str | None:
    """The origin of an http(s) address, as a browser would send it; None if a browser might read it differently.

    So no user name, no backslash and nothing that browsers drop silently may stand before the path.
    """
    found = _UP_TO_PATH.match(url)
    return _normal(found.group()) if found else None


def _normal(text: str) -> str | None:
    """Lower case, without the port that the scheme has by itself, as https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin."""
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if not found:
        return None
    scheme, host, port = found["scheme"], _host(found["host"]), int(found["port"] or 0)
    if not host or port > 65_535 or (found["port"] and not port):
        return None
    return f"{scheme}://{host}" + (f":{port}" if port not in (0, _DEFAULT_PORTS[scheme]) else "")


def _host(text: str) -> str | None:
    if not text.startswith("["):
        return text
    try:
        return f"[{IPv6Address(text[1:-1]).compressed}]"
    except ValueError:
        return None


# --- what stands by name in a JSON object ----------------------------------------------------------------------------


def _each(text: str, example: str, parse: Callable[[str, Any], T]) -> tuple[T, ...]:
    """What `parse` makes of each entry; all that is wrong with them in one ValueError."""
    try:
        entries = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, _Pairs) or not entries:
        raise ValueError(f"must be a JSON object such as {example}")
    parsed, faults = [], []
    for number, (name, entry) in enumerate(entries, 1):
        label = name if _is_name(name) else f"entry {number}"
        try:
            if [other for other, _ in entries].count(name) > 1:
                raise ValueError("the name stands there twice")
            parsed.append(parse(name, entry))
        except ValueError as error:
            faults.append(f"{label}: {error}")
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(parsed)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written: a dict would hide that a name comes twice."""


def _is_name(name: str) -> bool:
    """Whether it is a name, and no secret that stands in the name's place: that must not show in a message."""
    return bool(_NAME.fullmatch(name)) and not _SHA256.fullmatch(name) and not name.startswith("whsec_")


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise ValueError("a name has 1 to 31 letters, digits, dots, dashes or underscores, and is not a secret")
    if name == "event":
        raise ValueError("this name belongs to another door; take another one")


def _token(name: str, entry: Any) -> Token:
    _check_name(name)
    fields = dict(entry) if isinstance(entry, _Pairs) else {"sha256": entry}
    digest, admin = fields.get("sha256"), fields.get("admin", False)
    if fields.keys() - {"sha256", "admin"} or not isinstance(admin, bool):
        raise ValueError('must be the SHA-256, or {"sha256": "…", "admin": true}')
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError("must be the token's SHA-256 as 64 lower-case hex digits, not the token itself")
    return Token(name, digest, admin)


def _signing_secret(name: str, entry: Any) -> SigningSecret:
    _check_name(name)
    if not isinstance(entry, list) or isinstance(entry, _Pairs) or not entry:
        raise ValueError("must be a list of secrets")
    if not all(isinstance(secret, str) and _is_secret(secret) for secret in entry):
        raise ValueError(f"each secret must be whsec_ and then at least {LEAST_SECRET} bytes as base64")
    return SigningSecret(name, tuple(entry))


def _is_secret(text: str) -> bool:
    """`whsec_` and base64, padded or not."""
    encoded = text.removeprefix("whsec_")
    try:
        raw = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return encoded != text and len(raw) >= LEAST_SECRET


def _refuse_shared(callers: Iterable[Any], secrets: Callable[[Any], list[str]]) -> None:
    """Two callers with one secret cannot be told apart."""
    owners: dict[str, str] = {}
    for caller in callers:
        for secret in secrets(caller):
            if owners.setdefault(secret, caller.name) != caller.name:
                raise ValueError(f"{owners[secret]} and {caller.name} have the same secret")
