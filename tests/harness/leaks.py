"""Search every response and every log line of the product for secrets.

A leak is reported by the secret's name and its place, never by the secret itself.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.auth_settings import AuthSettings
from shared.config import Config

# The field `token`, in JSON, urlencoded and multipart.
_TOKEN = re.compile(rb'(?:"token"\s*:\s*"|(?:^|&)token=|name="?token"?\r\n\r\n)([!#-%\x27-~]+)')
_BASE64 = (base64.b64encode, base64.urlsafe_b64encode)
SHORTEST = 8  # characters: a shorter text would be found by chance


@dataclass
class Leaks:
    """Secrets with their names, and the places where they were found."""

    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    found: list[str] = field(default_factory=list)
    _spellings: dict[bytes, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: Config) -> "Leaks":
        """Return the secrets of the settings. ValueError for one that is too short."""
        leaks = cls()
        for name, secret in _secrets(config):
            leaks.add(name, secret)
        return leaks

    def add(self, name: str, secret: str) -> None:
        """Search for this text from now on, in any case, percent-encoded or not. ValueError if it is too short."""
        if len(secret) < SHORTEST:
            raise ValueError(f"{name}: a secret in a test needs at least {SHORTEST} characters")
        self.secrets[secret] = name
        for spelling in (secret, quote(secret), quote(secret, safe="")):
            self._spellings.setdefault(spelling.lower().encode(), name)

    def add_credentials(self, authorizations: Iterable[str], body: bytes) -> None:
        """Add the credentials of a request, valid or not: its Authorization headers, and the token in its body."""
        found = [credential for line in authorizations for credential in _credentials(line)]
        if b"token" in body:
            found += [match[1].decode(errors="replace") for match in _TOKEN.finditer(body)]
        for credential in found:
            if len(credential) >= SHORTEST and credential not in self.secrets:
                self.add("a request's credential", credential)

    def add_id_secret(self, secret: bytes) -> None:
        """Add the secret that ids and form tokens are derived from, in hex and Base64."""
        for text in (secret.hex(), *(encode(secret).decode().rstrip("=") for encode in _BASE64)):
            self.add("the id secret", text)

    def search(self, where: str, text: bytes) -> None:
        """Search a text; `where` describes it in the report."""
        lowered = text.lower()
        for spelling, name in self._spellings.items():
            if spelling in lowered:
                self.found.append(f"{name} in {where}")

    def search_response(self, what: str, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Search the headers and the body of the response to the request `what`."""
        head = b"\r\n".join(b"%s: %s" % pair for pair in headers)
        self.search(f"the response to {what} ({status}), its headers", head)
        self.search(f"the response to {what} ({status}), its body", body)

    def watching(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that all its responses are searched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            body, response = bytearray(), _Response()

            async def received() -> Message:
                message = await receive()
                body.extend(message.get("body", b""))
                return message

            async def sent(message: Message) -> None:
                response.add(message)
                await send(message)

            await app(scope, received, sent)
            request = Request(scope)
            self.add_credentials(request.headers.getlist("authorization"), bytes(body))
            what = f"{request.method} {request.url.path}"
            self.search_response(what, response.status, response.headers, bytes(response.body))

        return watched

    def search_lines(self, what: str, lines: bytes) -> None:
        """Search the lines of a log."""
        for number, line in enumerate(lines.splitlines(), 1):
            self.search(f"{what}, line {number}", line)

    def check(self) -> None:
        """Raise AssertionError with every leak that was found."""
        assert not self.found, "secrets leaked:\n" + "\n".join(dict.fromkeys(self.found))


@dataclass
class _Response:
    """A response as it was sent."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def add(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.headers += message.get("headers", [])
        self.body += message.get("body", b"")


def _secrets(config: Config) -> Iterable[tuple[str, str]]:
    yield "WIREFLOW_API_KEY", config.api_key
    yield "WIREFLOW_WEBHOOK_ID", config.webhook_id
    yield from ((f"the id of workflow {one.name}", one.id) for one in config.workflows if one.id != config.webhook_id)
    yield from _auth_secrets(config.auth)


def _auth_secrets(auth: AuthSettings) -> Iterable[tuple[str, str]]:
    yield from ((f"the hash of token {one.name}", one.sha256) for one in auth.tokens)
    for signer in auth.signing_secrets:
        for secret in signer.secrets:
            yield f"a signing secret of {signer.name}", secret.removeprefix("whsec_").rstrip("=")
    if auth.turnstile_secret:
        yield "TURNSTILE_SECRET", auth.turnstile_secret


def _credentials(authorization: str) -> Iterable[str]:
    """Yield the text after the scheme, and the password if it is Basic authentication."""
    _, _, rest = authorization.strip().partition(" ")
    yield rest.strip()
    try:
        yield base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return
