"""Stand-ins for what authentication depends on: requests, a manual clock, a document with revisions, an HTTP server."""

import asyncio
import dataclasses
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx
import pytest
from starlette.requests import Request

from functions.trigger.auth.authenticate import Authenticator
from functions.trigger.auth.caller import Caller, preferred
from functions.trigger.auth.form_admission import FormAdmission
from shared.auth_settings import AuthSettings
from shared.log import Log
from shared.ports import JobStore
from shared.problems import Problem
from shared.spending.rate_window import RateWindow
from shared.store_errors import Conflict

OFFLINE = httpx.MockTransport(lambda request: pytest.fail(f"unexpected request: {request.url}"))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = bytes(range(32))


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = NOON

    def monotonic(self) -> float:
        return (self.moment - NOON).total_seconds()

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def later(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class InMemoryRateWindow:
    """The part of the job store that authentication uses: each write needs the newest revision."""

    def __init__(self) -> None:
        self.stored = RateWindow(revision=0)
        self.reads = self.writes = self.conflicts = 0

    async def id_secret(self) -> bytes:
        return SECRET

    async def read_rate_window(self) -> RateWindow:
        self.reads += 1
        await asyncio.sleep(0)
        return self.stored

    async def save_rate_window(self, window: RateWindow) -> RateWindow:
        await asyncio.sleep(0)
        if window.revision != self.stored.revision:
            self.conflicts += 1
            raise Conflict("rate window")
        self.writes += 1
        self.stored = dataclasses.replace(window, revision=window.revision + 1)
        return self.stored


def request(
    method: str = "POST",
    path: str = "/",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *,
    peer: str | None = "127.0.0.1",
    host: str = "127.0.0.1:8080",
) -> Request:
    """Return a request as the server passes it on. `path` may have a query."""
    path, _, query = path.partition("?")
    pairs = [("host", host), *(headers.items() if isinstance(headers, Mapping) else headers)]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
        "client": (peer, 50_000) if peer else None,
        "server": ("127.0.0.1", 8080),
        "scheme": "http",
    }
    return Request(scope)


@dataclass(kw_only=True)
class Instance:
    """Authentication and form admission of one instance, on stand-ins."""

    settings: AuthSettings
    public_url: str | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    store: InMemoryRateWindow = field(default_factory=InMemoryRateWindow)
    lines: io.StringIO = field(default_factory=io.StringIO)
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(transport=OFFLINE))

    def __post_init__(self) -> None:
        log = Log(self.lines)
        self.authenticator = Authenticator(self.settings, self.public_url, self.clock, log, lambda: self.http)
        self.forms = FormAdmission(
            self.settings, cast(JobStore, self.store), self.clock, log, lambda: self.http, nonce=self._nonce
        )
        self._nonces = 0

    def _nonce(self, size: int) -> bytes:
        self._nonces += 1
        return self._nonces.to_bytes(size, "big")


async def identify(authenticator: Authenticator, request: Request, raw: bytes, token: str | None) -> Caller:
    """The caller of a POST, as the parsing pipeline finds it. `raw`: the body; `token`: the one in the body."""
    by_header = await authenticator.headers(request)
    by_signature = authenticator.signature(request, raw)
    by_token = None if token is None else authenticator.body_token(token)
    if caller := preferred(by_header, by_token, by_signature, authenticator.visitor(request)):
        return caller
    raise authenticator.missing_credential(request)


class StubServer:
    """An HTTP server on this machine with a prepared response: status, headers, and body."""

    def __init__(self) -> None:
        self.requests = 0
        self.response: tuple[int, dict[str, str], bytes] = (500, {}, b"")
        self.url = ""

    def respond(self, document: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = (status, named, json.dumps(document).encode())


@contextmanager
def serving(server: StubServer) -> Iterator[StubServer]:
    """Serve at `server.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests += 1
            status, headers, body = server.response
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_port}/"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


async def code(caller: object) -> str:
    """Return the code of the problem, or the kind of the caller."""
    try:
        return str((await caller).kind)  # type: ignore[attr-defined] - a coroutine
    except Problem as problem:
        return problem.code
