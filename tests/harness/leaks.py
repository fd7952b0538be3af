"""The search for secrets in what the product lets out: every answer to a caller, and every log line.

A leak is reported by the secret's name and by where it was, never by the secret itself.
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
SHORTEST = 8  # characters: what is shorter is found by chance


@dataclass
class Leaks:
    """What must not show, with its name, and where it has shown."""

    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    found: list[str] = field(default_factory=list)
    _spellings: dict[bytes, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: Config) -> "Leaks":
        """Those of the settings. ValueError for one that is too short to be recognised."""
        leaks = cls()
        for name, secret in _of_settings(config):
            leaks.hide(name, secret)
        return leaks

    def hide(self, name: str, secret: str) -> None:
        """From now on this text, in either case and percent-encoded or not, is a leak."""
        if len(secret) < SHORTEST:
            raise ValueError(f"{name}: a secret of a test has at least {SHORTEST} characters, to be recognisable")
        self.secrets[secret] = name
        for spelling in (secret, quote(secret), quote(secret, safe="")):
            self._spellings.setdefault(spelling.lower().encode(), name)

    def hide_credentials(self, authorizations: Iterable[str], body: bytes) -> None:
        """What a request brings to be let in, right or wrong: its Authorization headers, and the token in its body."""
        found = [credential for line in authorizations for credential in _credentials(line)]
        if b"token" in body:
            found += [match[1].decode(errors="replace") for match in _TOKEN.finditer(body)]
        for credential in found:
            if len(credential) >= SHORTEST and credential not in self.secrets:
                self.hide("a request's credential", credential)

    def hide_id_secret(self, secret: bytes) -> None:
        """The one behind ids and form tokens, as somebody might write it."""
        for spelt in (secret.hex(), *(encode(secret).decode().rstrip("=") for encode in _BASE64)):
            self.hide("the id secret", spelt)

    def look(self, where: str, text: bytes) -> None:
        """Search what was let out. `where` says what that was."""
        lowered = text.lower()
        for spelling, name in self._spellings.items():
            if spelling in lowered:
                self.found.append(f"{name} in {where}")

    def look_at_answer(self, what: str, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Search status line, headers and body of the answer to `what`."""
        head = b"\r\n".join(b"%s: %s" % pair for pair in headers)
        self.look(f"the answer to {what} ({status}), its headers", head)
        self.look(f"the answer to {what} ({status}), its body", body)

    def watching(self, app: ASGIApp) -> ASGIApp:
        """The same application, with somebody who looks at all that it answers."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            asked, answered = bytearray(), _Answered()

            async def received() -> Message:
                message = await receive()
                asked.extend(message.get("body", b""))
                return message

            async def sent(message: Message) -> None:
                answered.note(message)
                await send(message)

            await app(scope, received, sent)
            request = Request(scope)
            self.hide_credentials(request.headers.getlist("authorization"), bytes(asked))
            what = f"{request.method} {request.url.path}"
            self.look_at_answer(what, answered.status, answered.headers, bytes(answered.body))

        return watched

    def look_at_lines(self, what: str, lines: bytes) -> None:
        """Search what was written to a log."""
        for number, line in enumerate(lines.splitlines(), 1):
            self.look(f"{what}, line {number}", line)

    def check(self) -> None:
        """AssertionError with every leak that was found."""
        assert not self.found, "secrets were let out:\n" + "\n".join(dict.fromkeys(self.found))


@dataclass
class _Answered:
    """An answer as it went out."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def note(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.headers += message.get("headers", [])
        self.body += message.get("body", b"")


def _of_settings(config: Config) -> Iterable[tuple[str, str]]:
    yield "WIREFLOW_API_KEY", config.api_key
    yield "WIREFLOW_WEBHOOK_ID", config.webhook_id
    yield from ((f"the id of workflow {one.name}", one.id) for one in config.workflows if one.id != config.webhook_id)
    yield from _of_doors(config.auth)


def _of_doors(auth: AuthSettings) -> Iterable[tuple[str, str]]:
    yield from ((f"the hash of token {one.name}", one.sha256) for one in auth.tokens)
    for signer in auth.signing_secrets:
        for secret in signer.secrets:
            yield f"a signing secret of {signer.name}", secret.removeprefix("whsec_").rstrip("=")
    if auth.turnstile_secret:
        yield "TURNSTILE_SECRET", auth.turnstile_secret


def _credentials(authorization: str) -> Iterable[str]:
    """What stands behind the scheme, and the password that it may spell."""
    _, _, rest = authorization.strip().partition(" ")
    yield rest.strip()
    try:
        yield base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return
