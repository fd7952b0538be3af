"""What the auth stand on, made for tests: requests, a clock set by hand, a document with revisions, a server."""

import asyncio
import dataclasses
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
from starlette.requests import Request

from functions.trigger.auth.auth import Auth
from shared.auth_settings import AuthSettings
from shared.log import Log
from shared.ports import Conflict, JobStore
from shared.spending.rate_window import RateWindow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = bytes(range(32))


class HandClock:
    """Its time is what a test says."""

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


class ArrivalsInMemory:
    """The part of the job store that auth use, in one process: each write needs the newest revision."""

    def __init__(self) -> None:
        self.kept = RateWindow(revision=0)
        self.reads = self.writes = self.conflicts = 0

    async def id_secret(self) -> bytes:
        return SECRET

    async def read_arrivals(self) -> RateWindow:
        self.reads += 1
        await asyncio.sleep(0)
        return self.kept

    async def save_arrivals(self, arrivals: RateWindow) -> RateWindow:
        await asyncio.sleep(0)
        if arrivals.revision != self.kept.revision:
            self.conflicts += 1
            raise Conflict("arrivals")
        self.writes += 1
        self.kept = dataclasses.replace(arrivals, revision=arrivals.revision + 1)
        return self.kept


def request(
    method: str = "POST",
    path: str = "/",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *,
    peer: str | None = "127.0.0.1",
    host: str = "127.0.0.1:8080",
) -> Request:
    """A request as the server hands it on. `path` may have a query."""
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
class House:
    """Auth, and what they stand on."""

    settings: AuthSettings
    public_url: str | None = None
    clock: HandClock = field(default_factory=HandClock)
    store: ArrivalsInMemory = field(default_factory=ArrivalsInMemory)
    lines: io.StringIO = field(default_factory=io.StringIO)
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(transport=httpx.MockTransport(nobody)))

    def __post_init__(self) -> None:
        self.auth = Auth(
            self.settings,
            self.public_url,
            cast(JobStore, self.store),
            self.clock,
            Log(self.lines),
            lambda: self.http,
            nonce=self._nonce,
        )
        self._nonces = 0

    def _nonce(self, size: int) -> bytes:
        self._nonces += 1
        return self._nonces.to_bytes(size, "big")


def nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"nobody was to be asked: {request.url}")


class Site:
    """A real server on this machine; `answer` says what it answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[], tuple[int, dict[str, str], bytes]] = lambda: (500, {}, b"")
        self.url = ""

    def says(self, document: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda: (status, named, json.dumps(document).encode())


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """The site, reachable at `site.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            fields = parse_qs(self.rfile.read(length).decode())
            site.asked.append({name: values[0] for name, values in fields.items()})
            status, headers, body = site.answer()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the server looks for this name

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
