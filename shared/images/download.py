"""Reads a image from where it is on the web: whole, of a known type, not too large, in time; or says why not."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from urllib.parse import quote

import httpx

from shared.egress import EgressRefused
from shared.error_codes import ErrorCode
from shared.images.formats import HEAD_BYTES, MIN_HEAD_BYTES, sniff
from shared.images.measure import MeasuredPicture, too_large
from shared.ports import CopyError, ImageGone, ImageRefused, UrlNotAllowed

COPY_SECONDS = 240.0  # the poller waits so long for a copy after its window: terraform/poller.tf
MAX_REDIRECTS = 3
INFLATED_CHUNK = 256 * 1024

OUR_AGENT = "wireflow-images/1.0"
# The CDN answers 403 to user agents that it takes for scripts (github.com/wireflowINC/wireflow-skill).
BROWSER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

GONE = frozenset({403, 404, 410})


class Downloads:
    """Images by URL, over `client`, which decides what may be reached at all (shared/egress.py).

    `base_url` is Wireflow's: on its origin stands the download proxy, the last route; without it there is no such
    route, as for images that are not Wireflow's. `monotonic` gives seconds. The time for an image, `seconds`, is
    looked at before each request and after each piece that arrives, so a silent server can overrun it by one read
    timeout of the client.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        base_url: str | None,
        max_bytes: int,
        seconds: float = COPY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._proxy = str(httpx.URL(base_url).join("/api/download")) if base_url else None
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._monotonic = monotonic

    @contextmanager
    def open(self, url: str) -> Iterator[MeasuredPicture]:
        """Start reading the image at `url`, by every allowed route in turn; CopyError if none serves it."""
        deadline = self._monotonic() + self._seconds
        with _as_copy_errors():
            response = self._first_to_serve(url, deadline)
        try:
            yield self._image(response, deadline)
        finally:
            response.close()

    def _first_to_serve(self, url: str, deadline: float) -> httpx.Response:
        """The answer of the first route that has the image, its body unread."""
        statuses = []
        for route, agent in self._routes(url):
            response = self._get(route, {"user-agent": agent, "accept-encoding": "identity"}, deadline)
            if response.status_code == httpx.codes.OK:
                return response
            response.close()
            if response.status_code not in GONE:
                raise CopyError(f"{_host(response.url)} answered {response.status_code}")
            statuses.append(f"{_host(response.url)} {response.status_code}")
        raise ImageGone(f"no route serves the image: {', '.join(statuses)}")

    def _routes(self, url: str) -> Iterator[tuple[str, str]]:
        yield url, OUR_AGENT
        yield url, BROWSER_AGENT
        if self._proxy:
            yield f"{self._proxy}?url={quote(url, safe='')}", OUR_AGENT

    def _get(self, url: str, headers: Mapping[str, str], deadline: float) -> httpx.Response:
        """The answer at the end of at most MAX_REDIRECTS redirects; the client checks the place of each."""
        request = self._client.build_request("GET", url, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            self._check_time(deadline)
            response = self._client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request
        raise CopyError(f"{_host(request.url)}: more than {MAX_REDIRECTS} redirects")

    def _image(self, response: httpx.Response, deadline: float) -> MeasuredPicture:
        declared = _content_length(response)
        if declared is not None and declared > self._max_bytes:
            raise too_large(f"{declared} bytes")
        framed = declared is not None or "transfer-encoding" in response.headers
        body = self._body(response, deadline)
        head = _first_bytes(body)
        kind = sniff(head)
        if kind:
            return MeasuredPicture(kind, chain([head], body), framed=framed)
        if not head or (len(head) < MIN_HEAD_BYTES and not framed):
            raise CopyError(f"the body ended after {len(head)} bytes")
        raise ImageRefused(ErrorCode.NOT_AN_IMAGE, f"{response.headers.get('content-type')} is not a known image")

    def _body(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        """The bytes as they come in, in pieces of at most INFLATED_CHUNK; CopyError when they stop short."""
        size = 0
        with _as_copy_errors():
            for piece in _identity(response):
                size += len(piece)
                if size > self._max_bytes:
                    raise too_large(f"more than {self._max_bytes} bytes")
                self._check_time(deadline)
                yield piece

    def _check_time(self, deadline: float) -> None:
        if self._monotonic() > deadline:
            raise CopyError(f"the image took longer than {self._seconds:.0f} s")


@contextmanager
def _as_copy_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, EgressRefused) as error:
        raise UrlNotAllowed(f"{type(error).__name__}: {error}") from error
    except httpx.HTTPError as error:
        raise CopyError(f"{type(error).__name__}: {error}") from error


def _host(url: httpx.URL) -> str:
    """As it is asked for: not every name that can be has another spelling."""
    return url.raw_host.decode("ascii", "replace")


def _content_length(response: httpx.Response) -> int | None:
    """The declared size; a transfer encoding overrides it (RFC 9112, 6.3)."""
    if "transfer-encoding" in response.headers or "content-length" not in response.headers:
        return None
    return int(response.headers["content-length"])


def _first_bytes(body: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (piece := next(body, b"")):
        head += piece
    return head


def _identity(response: httpx.Response) -> Iterator[bytes]:
    """The body without its content encoding, which we asked not to have."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _inflated(response.iter_raw())
    if encoding in {"br", "zstd", "compress", "dcb", "dcz"}:
        raise CopyError(f"{_host(response.url)} sends the image as {encoding}, which was not asked for")
    return response.iter_raw()  # "binary", "aws-chunked" and the like: the first bytes tell


def _inflated(compressed: Iterator[bytes]) -> Iterator[bytes]:
    # httpx would inflate a whole piece at once: a thousand times its size. This keeps to INFLATED_CHUNK.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for piece in compressed:
            while piece and not inflater.eof:
                if inflated := inflater.decompress(piece, INFLATED_CHUNK):
                    yield inflated
                piece = inflater.unconsumed_tail
    except zlib.error as error:
        raise CopyError(f"the compressed body makes no sense: {error}") from error
    if not inflater.eof:
        raise CopyError("the compressed body stops short")
