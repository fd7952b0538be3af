"""The authentication settings of the trigger: which credentials it accepts, and the rate limits of browsers.

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

MIN_SECRET_BYTES = 16

_NAME = re.compile(r"[A-Za-z0-9._-]{1,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:(?P<port>\d+))?"
)
_UP_TO_PATH = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Token:
    """A caller's token, known by its SHA-256 only. An `admin` may read the jobs of all callers, and act on them."""

    name: str
    sha256: str = field(repr=False)
    admin: bool = False


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A caller that signs its requests. It has two secrets while they are rotated."""

    name: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """See "Authentication" in functions/trigger/README.md.

    Once any is configured, a `POST /` needs a credential, or the Origin of a page in FORM_ORIGINS. If a
    private deployment has that of events only, other callers need none: IAM has authenticated them.
    """

    tokens: tuple[Token, ...] = ()
    signing_secrets: tuple[SigningSecret, ...] = ()
    event_account: str | None = None
    event_audience: str | None = None
    origins: tuple[str, ...] = ()  # of pages that may call without a credential
    form_per_minute: int = 5  # new jobs per client address; 0: no limit
    form_per_hour: int = 100  # new jobs of all browsers; 0: no limit
    form_token_required: bool = False
    turnstile_secret: str | None = field(default=None, repr=False)
    turnstile_site_key: str | None = None  # of the widget on the playground
    turnstile_url: str = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    public: bool | None = None  # False: IAM authenticates all callers; None: not deployed by Terraform
    trusted_proxies: int = 0
    on_cloud_run: bool = False

    @property
    def configured(self) -> bool:
        """Whether any authentication is configured."""
        return bool(self.tokens or self.signing_secrets or self.event_account or self.origins)

    @property
    def needs_no_credential(self) -> bool:
        """Whether callers need no credential of ours: none is configured, or only that of events, behind IAM."""
        is_private = self.public is False
        return not (self.tokens or self.signing_secrets or self.origins) and (is_private or not self.event_account)


def parse_tokens(text: str) -> tuple[Token, ...]:
    """Parse TRIGGER_TOKENS: a JSON object, name → SHA-256 in hex or `{"sha256", "admin"}`. Raises ValueError."""
    tokens = parse_entries(text, '{"zapier": "the token\'s SHA-256"}', _token)
    _reject_shared(tokens, lambda token: [token.sha256])
    return tokens


def parse_signing_secrets(text: str) -> tuple[SigningSecret, ...]:
    """Parse TRIGGER_SIGNING_SECRETS: a JSON object, name → list of `whsec_…`. Raises ValueError."""
    signers = parse_entries(text, '{"shop": ["whsec_…"]}', _signing_secret)
    _reject_shared(signers, lambda signer: [secret.rstrip("=") for secret in signer.secrets])
    return signers


def parse_origins(text: str) -> tuple[str, ...]:
    """Parse FORM_ORIGINS: `scheme://host[:port]`, separated by commas. Raises ValueError."""
    origins = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        if not (origin := _normalized(entry)):
            shown = "an entry" if "@" in entry else repr(entry[:80])  # it may have a password
            raise ValueError(f"{shown} must be http(s)://host or http(s)://host:port, without a path and without *")
        origins.append(origin)
    if not origins:
        raise ValueError("must be origins such as https://www.example.com, separated by commas")
    return tuple(dict.fromkeys(origins))


def origin_of(url: str) -> str | None:
    """Return the origin of an http(s) URL as browsers send it, or None if a browser might read the URL differently.

    That is the case with a user name, a backslash, or characters that browsers remove silently before the path.
    """
    found = _UP_TO_PATH.match(url)
    return _normalized(found.group()) if found else None


def _normalized(text: str) -> str | None:
    """Return an origin in lower case without the default port, or None.

    https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
    """
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if not found:
        return None
    scheme, host, port = found["scheme"], found["host"], int(found["port"] or 0)
    if port > 65_535 or (found["port"] and not port):
        return None
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    return f"{scheme}://{host}" + (f":{port}" if port not in (0, _DEFAULT_PORTS[scheme]) else "")


# --- named entries of a JSON object ----------------------------------------------------------------------------------


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written: a dict would hide a repeated name."""


def parse_entries(
    text: str,
    example: str,
    parse: Callable[[str, Any], T],
    is_other: Callable[[str], bool] = frozenset[str]().__contains__,
) -> tuple[T, ...]:
    """Parse each entry of a JSON object; one ValueError reports the faults of all of them.

    A name is that of a token or a secret, or one that `is_other` admits.
    """
    try:
        entries = json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, Pairs) or not entries:
        raise ValueError(f"must be a JSON object such as {example}")
    names = [name for name, _ in entries]
    parsed, faults = [], []
    for number, (name, entry) in enumerate(entries, 1):
        try:
            if names.count(name) > 1:
                raise ValueError("the name appears twice")
            if not is_other(name):
                _check_name(name)
            parsed.append(parse(name, entry))
        except ValueError as error:
            faults.append(f"{name if _is_name(name) or is_other(name) else f'entry {number}'}: {error}")
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(parsed)


def _is_name(name: str) -> bool:
    """Return whether this is a name, not a secret in its place, which must not appear in a message."""
    return bool(_NAME.fullmatch(name)) and not _SHA256.fullmatch(name) and not name.startswith("whsec_")


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise ValueError("a name has 1 to 31 letters, digits, dots, dashes, or underscores, and is not a secret")
    if name == "event":
        raise ValueError("this name is reserved for events; choose another one")


def _token(name: str, entry: Any) -> Token:
    fields = dict(entry) if isinstance(entry, Pairs) else {"sha256": entry}
    digest, admin = fields.get("sha256"), fields.get("admin", False)
    if fields.keys() - {"sha256", "admin"} or not isinstance(admin, bool):
        raise ValueError('must be the SHA-256, or {"sha256": "…", "admin": true}')
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError("must be the token's SHA-256 as 64 lower-case hex digits, not the token itself")
    return Token(name, digest, admin)


def _signing_secret(name: str, entry: Any) -> SigningSecret:
    if not isinstance(entry, list) or isinstance(entry, Pairs) or not entry:
        raise ValueError("must be a list of secrets")
    if not all(isinstance(secret, str) and _is_secret(secret) for secret in entry):
        raise ValueError(f"each secret must be whsec_ followed by at least {MIN_SECRET_BYTES} bytes in base64")
    return SigningSecret(name, tuple(entry))


def _is_secret(text: str) -> bool:
    """Return whether this is `whsec_` and base64, padded or not."""
    encoded = text.removeprefix("whsec_").rstrip("=")
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith("whsec_") and len(raw) >= MIN_SECRET_BYTES


def _reject_shared(callers: Iterable[Any], secrets: Callable[[Any], list[str]]) -> None:
    """Raise ValueError if two callers have the same secret, since they cannot be told apart."""
    owners: dict[str, str] = {}
    for caller in callers:
        for secret in secrets(caller):
            if owners.setdefault(secret, caller.name) != caller.name:
                raise ValueError(f"{owners[secret]} and {caller.name} have the same secret")
