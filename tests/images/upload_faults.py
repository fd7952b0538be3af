"""A proxy in front of the Cloud Storage server that injects faults into single requests."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Request = tuple[str, str, dict[str, str]]  # method, path with query, headers


class UploadFaults:
    """Forwards everything to `server`, except that the first matching request gets the next fault.

    `forwarded` are the requests that reached the server.
    """

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server).netloc
        self._faults: list[tuple[Callable[[Request], bool], int | str]] = []
        self._lock = threading.Lock()
        self.forwarded: list[Request] = []
        self.spoiled = 0

    def spoil(self, matches: Callable[[Request], bool], fault: int | str, times: int = 1) -> None:
        """Inject a status or `cut` (both not forwarded), or `lost` (forwarded, but the response is dropped)."""
        self._faults += [(matches, fault)] * times

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # it would add 40 ms to each response

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                proxy._handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._listener.daemon_threads = True
        self._netloc = f"127.0.0.1:{self._listener.server_address[1]}"
        self.url = f"http://{self._netloc}"
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        request = handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = self._fault_for(request)
        if isinstance(fault, int):
            self._send(handler, fault, {}, b"spoiled")
            return
        response = None if fault == "cut" else self._forward(request, body)
        if fault or response is None:
            handler.close_connection = True
            return
        self._send(handler, *response)

    def _fault_for(self, request: Request) -> int | str | None:
        with self._lock:
            for at, (matches, fault) in enumerate(self._faults):
                if matches(request):
                    del self._faults[at]
                    self.spoiled += 1
                    return fault
        return None

    def _forward(self, request: Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        method, path, headers = request
        self.forwarded.append(request)
        connection = http.client.HTTPConnection(self._server, timeout=30)
        try:
            connection.request(method, path, body, headers | {"host": self._server})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        # The server tells the client the URL for the chunks: replace it with that of the proxy.
        rewritten = {name: value.replace(self._server, self._netloc) for name, value in response.getheaders()}
        return response.status, rewritten, content

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        handler.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def start_of_upload(request: Request) -> bool:
    """Whether the request starts an upload."""
    return request[0] == "POST" and "uploadType=resumable" in request[1]


def chunk(request: Request) -> bool:
    """Whether the request has a part of an upload."""
    return request[0] == "PUT"


def last_chunk(request: Request) -> bool:
    """Whether the request completes an upload."""
    return chunk(request) and not request[2]["content-range"].endswith("/*")
