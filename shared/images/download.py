"""Download of images by URL: complete, in a known format, within size and time limits, or an error that says why."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import httpx

from shared.content_coding import BodyTooLarge, Decoder
from shared.copy_errors import (
    CopyError,
    HostNotAllowed,
    ImageGone,
    ImageRefused,
    ProxyUnavailable,
    UrlNotAllowed,
    UrlRefused,
)
from shared.egress import EgressRefused, HostNotListed, NeverAllowed
from shared.error_codes import ErrorCode
from shared.images.formats import HEAD_BYTES, MIN_HEAD_BYTES, sniff
from shared.images.stream import MeasuredImageStream, prepended, too_large

COPY_SECONDS = 240.0  # how long the poller waits for a copy after its window: terraform/modules/images/poller.tf
MAX_REDIRECTS = 3
# The chunks of a body as they arrive: MIN_CHUNKS, and one for every BYTES_PER_CHUNK. Each costs time, however small.
MIN_CHUNKS, BYTES_PER_CHUNK = 10_000, 64

USER_AGENT = "wireflow-images/1.0"
# The CDN responds with 403 to user agents that it takes for scripts (github.com/wireflowINC/wireflow-skill).
BROWSER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

# To a signed URL that has expired, Cloud Storage responds with 400 (<Code>ExpiredToken</Code>), S3 with 400 or 403, and
# others with 401.
GONE = frozenset({400, 401, 403, 404, 410})
# With these the download proxy says nothing about the image. It may respond with any other to an image that is gone.
PROXY_UNAVAILABLE = frozenset({408, 429, 503, 504})

# A slow download occupies a slot. After SLOW_AFTER seconds its average speed must be at least half of what its length
# requires to end in time, and at least MIN_SPEED (bytes per second) or what its length requires, whichever is lower.
SLOW_AFTER, MIN_SPEED = 20.0, 500.0


class Downloader:
    """A source of images (`shared.ports.ImageSource`) over `client`, which decides what may be requested (egress.py).

    `base_url` is Wireflow's: its origin has the download proxy, the last route. Without it there is no such route, as
    for images that are not Wireflow's. `monotonic` returns seconds. The time limit of an image, `seconds`, is checked
    before each request and after each chunk, so a silent server can exceed it by one read timeout of the client.
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
    def open(self, url: str) -> Iterator[MeasuredImageStream]:
        """Start to read the image at `url`, trying every allowed route in turn; raise CopyError if none serves it."""
        deadline = self._monotonic() + self._seconds
        url = url.strip().replace(" ", "%20")
        with _as_copy_errors():
            response, refused = self._request(url, deadline)
        try:
            with _as_proxy_errors(refused), _as_copy_errors():
                image = self._image(response, deadline)
            yield image
        finally:
            with suppress(Exception):  # the image is read by now, or its own error is raised
                response.close()

    def _request(self, url: str, deadline: float) -> tuple[httpx.Response, str | None]:
        """Return the response of the first route that has the image, its body unread.

        If that is the download proxy, also return how the image host refused: a failure of the proxy, which fetches the
        image from the same host, does not overrule that.
        """
        refused = ""
        for agent in (USER_AGENT, BROWSER_AGENT):
            response = self._get(url, agent, deadline)
            if response.status_code == httpx.codes.OK:
                return response, None
            response.close()
            refused = f"{_host(response.url)} responded with HTTP {response.status_code}"
            if response.status_code not in GONE:
                raise CopyError(refused)
        if self._proxy is None:
            raise ImageGone(refused)
        self._check_time(deadline)
        with _as_proxy_errors(refused):
            return self._proxied(f"{self._proxy}?url={quote(url, safe='')}", deadline), refused

    def _proxied(self, route: str, deadline: float) -> httpx.Response:
        response = self._get(route, USER_AGENT, deadline)
        if response.status_code == httpx.codes.OK:
            return response
        response.close()
        kind = CopyError if response.status_code in PROXY_UNAVAILABLE else ImageGone
        raise kind(f"{_host(response.url)} responded with HTTP {response.status_code}")

    def _get(self, url: str, agent: str, deadline: float) -> httpx.Response:
        """Follow at most MAX_REDIRECTS redirects; the client checks the URL of each."""
        headers = {"user-agent": agent, "accept-encoding": "identity"}
        request = self._client.build_request("GET", url, headers=headers)
        for redirects in range(MAX_REDIRECTS + 1):
            self._check_time(deadline)
            with _as_copy_errors(redirected=redirects > 0):
                response = self._client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request
        raise CopyError(f"{_host(request.url)}: more than {MAX_REDIRECTS} redirects")

    def _image(self, response: httpx.Response, deadline: float) -> MeasuredImageStream:
        content_length = _content_length(response)
        if content_length is not None and content_length > self._max_bytes:
            raise too_large(f"{content_length} bytes")
        framed = content_length is not None or "transfer-encoding" in response.headers
        with _as_copy_errors():
            decoder = Decoder(response.headers.get("content-encoding", ""), self._max_bytes)
        body = self._body(response, decoder, deadline)
        head = b""
        while len(head) < HEAD_BYTES and (chunk := next(body, b"")):
            head += chunk
        image_format = sniff(head)
        if image_format:
            return MeasuredImageStream(image_format, prepended(head, body), framed=framed)
        if not head or (len(head) < MIN_HEAD_BYTES and not framed):
            raise CopyError(f"the body ended after {len(head)} bytes")
        if decoder.ignored:
            raise CopyError("the body has an unknown content encoding and is not an image")
        content_type = response.headers.get("content-type", "a body without a type")
        raise ImageRefused(ErrorCode.NOT_AN_IMAGE, f"{content_type} is not a supported image format")

    def _body(self, response: httpx.Response, decoder: Decoder, deadline: float) -> Iterator[bytes]:
        """Yield the content as it arrives, in pieces of bounded size; raise CopyError if it is truncated."""
        size, chunks_left, began_at = 0, float(MIN_CHUNKS), self._monotonic()
        with _as_copy_errors():
            for chunk in response.iter_raw():
                self._check_speed(response, self._monotonic() - began_at)
                chunks_left += len(chunk) / BYTES_PER_CHUNK - 1
                if chunks_left < 0:
                    raise CopyError(f"the body arrives in too many chunks: {size} bytes so far")
                self._check_time(deadline)
                for piece in decoder.decode(chunk):
                    size += len(piece)
                    self._check_time(deadline)
                    yield piece
                    del piece  # it would be in memory beside the next one
            decoder.finish()

    def _check_speed(self, response: httpx.Response, seconds: float) -> None:
        length, received = _content_length(response), response.num_bytes_downloaded
        needed = length / self._seconds if length else MIN_SPEED
        if seconds > SLOW_AFTER and received / seconds < max(min(needed, MIN_SPEED), needed / 2):
            problem = f"the image arrives too slowly to be complete in {self._seconds:.0f} s"
            raise CopyError(f"{problem}: {received} bytes in {seconds:.0f} s")

    def _check_time(self, deadline: float) -> None:
        if self._monotonic() > deadline:
            raise CopyError(f"the image took longer than {self._seconds:.0f} s")


@contextmanager
def _as_copy_errors(*, redirected: bool = False) -> Iterator[None]:
    """Raise every error of the client, of egress, and of the decoder as a CopyError.

    A refused URL is not retried, but a redirect may lead elsewhere the next time.
    """
    try:
        yield
    except CopyError:
        raise
    except HostNotListed as error:
        raise HostNotAllowed(error.host, str(error)) from error
    except (httpx.InvalidURL, NeverAllowed) as error:
        kind = UrlNotAllowed if redirected else UrlRefused
        raise kind(f"{type(error).__name__}: {error}") from error
    except (EgressRefused, UnicodeError) as error:  # UnicodeError: httpx decodes internationalized names
        raise UrlNotAllowed(f"{type(error).__name__}: {error}") from error
    except BodyTooLarge as error:
        raise too_large(str(error)) from error
    except Exception as error:  # from httpx, the decoder, and the libraries below them, without a common base class
        raise CopyError(f"{type(error).__name__}: {error}") from error


@contextmanager
def _as_proxy_errors(refused: str | None) -> Iterator[None]:
    """Raise the errors of the download proxy together with how the image host `refused`, if it did."""
    try:
        yield
    except CopyError as error:
        is_too_large = isinstance(error, ImageRefused) and error.code is ErrorCode.IMAGE_TOO_LARGE
        if refused is None or is_too_large or isinstance(error, UrlNotAllowed):
            raise
        kind = ImageGone if isinstance(error, ImageGone | ImageRefused) else ProxyUnavailable
        raise kind(f"{refused}; the download proxy failed too: {error}") from error


def _host(url: httpx.URL) -> str:
    """Return the host as it is requested: decoding an internationalized name can fail."""
    return url.raw_host.decode("ascii", "replace")


def _content_length(response: httpx.Response) -> int | None:
    """Return the declared size; a transfer encoding overrides it (RFC 9112, 6.3)."""
    if "transfer-encoding" in response.headers or "content-length" not in response.headers:
        return None
    return int(response.headers["content-length"])
