"""A web server for tests that sends exactly the given bytes and controls when the connection closes."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Request:
    """A received request; `headers` have names in lower case."""

    path: str
    headers: dict[str, str]


Page = Callable[[Request], Iterable[bytes]]


def response(status: int, body: bytes = b"", *, length: int | str | None = "true", **headers: str) -> bytes:
    """Return a whole response. `length`: the Content-Length to declare, None for no header; by default the true one."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == 'true' else length}")
    headers = {"Connection": "close"} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(pieces: Iterable[bytes], *, ended: bool = True) -> Iterator[bytes]:
    """Yield a 200 in chunked transfer encoding; without `ended` the closing chunk is missing."""
    yield response(200, length=None, Transfer_Encoding="chunked")
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if ended:
        yield b"0\r\n\r\n"


@dataclass
class Site:
    """Serves `pages` by path without query, 404 for everything else. `requests` are those received, in order.

    The connection closes after the response, unless that has `Connection: keep-alive`.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def put(self, path: str, *raw: bytes) -> str:
        """Serve these bytes at `path`; return its URL."""
        self.pages[path] = lambda _: raw
        return f"{self.url}{path}"

    def on(self, path: str, page: Page) -> str:
        """Serve what `page` yields at `path`; return its URL."""
        self.pages[path] = page
        return f"{self.url}{path}"

    def __enter__(self) -> Self:
        site = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                site.connections += 1
                with (
                    suppress(OSError, ValueError),
                    site._secured(self.request) as connection,
                    connection.makefile("rwb") as stream,
                ):
                    while site._serve(stream):
                        pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def _secured(self, connection):
        if self.tls is None:
            yield connection
            return
        with self.tls.wrap_socket(connection, server_side=True) as secured:
            yield secured

    def _serve(self, stream) -> bool:
        """Respond to one request; return whether another may follow."""
        first, *lines = iter(lambda: stream.readline().decode().strip(), "")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        request = Request(first.split(" ")[1], headers)
        self.requests.append(request)
        page = self.pages.get(request.path.partition("?")[0], lambda _: [response(404)])
        kept = False
        for piece in page(request):
            kept = kept or b"\r\nConnection: keep-alive\r\n" in piece
            stream.write(piece)
            stream.flush()
        return kept
