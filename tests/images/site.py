"""A web site for tests that sends exactly the bytes it is told to, and closes the connection when it is told to."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Asked:
    """A request as it came in. Names of headers are in lower case."""

    path: str
    headers: dict[str, str]


Answer = Callable[[Asked], Iterable[bytes]]


def answer(status: int, body: bytes = b"", *, length: int | str | None = "true", **headers: str) -> bytes:
    """A whole answer. `length`: the Content-Length to declare, None for none; by default the true one."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == 'true' else length}")
    headers = {"Connection": "close"} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(pieces: Iterable[bytes], *, ended: bool = True) -> Iterator[bytes]:
    """A 200 in chunked transfer encoding; not `ended`: the closing chunk is missing."""
    yield answer(200, length=None, Transfer_Encoding="chunked")
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if ended:
        yield b"0\r\n\r\n"


@dataclass
class Site:
    """Serves `pages`, by path without query; 404 for all else. `asked` are the requests, in order.

    The connection ends with the answer, unless that says `Connection: keep-alive`.
    """

    pages: dict[str, Answer] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def put(self, path: str, *raw: bytes) -> str:
        """Serve these bytes at `path`; its URL."""
        self.pages[path] = lambda _: raw
        return f"{self.url}{path}"

    def on(self, path: str, page: Answer) -> str:
        """Serve what `page` yields at `path`; its URL."""
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
        """Answer one request; whether another may follow."""
        first, *lines = iter(lambda: stream.readline().decode().strip(), "")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        asked = Asked(first.split(" ")[1], headers)
        self.asked.append(asked)
        page = self.pages.get(asked.path.partition("?")[0], lambda _: [answer(404)])
        kept = False
        for piece in page(asked):
            kept = kept or b"\r\nConnection: keep-alive\r\n" in piece
            stream.write(piece)
            stream.flush()
        return kept
