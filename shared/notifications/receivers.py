"""Receivers of notifications over HTTP: one attempt to deliver a message.

Redirects are never followed, no connection is kept, and of a response only what is needed is read.
"""

import asyncio
import ssl
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from shared import egress
from shared.callbacks import BODY_LIMIT
from shared.notifications.port import DELIVERY_SECONDS, DeliveryFailed, ReceiverResponse

CONNECT_SECONDS = 5.0  # to one address
BODY_SECONDS = 1.0  # for the beginning of the body of a failure
USER_AGENT = "wireflow-images/1"


class HttpReceivers:
    """Receivers at any public https URL on port 443. `hosts`: those that may be private with `allow_private`."""

    def __init__(
        self,
        hosts: tuple[str, ...],
        threads: Executor,
        *,
        allow_private: bool,
        resolve: egress.Resolve = egress.resolve_host,
        tls: ssl.SSLContext | None = None,
        seconds: float = DELIVERY_SECONDS,
    ) -> None:
        """`threads`: for the resolver; `seconds`: for one attempt."""
        self._seconds = seconds
        self.transport = egress.AsyncEgress(
            hosts, allow_private=allow_private, threads=threads, resolve=resolve, tls=tls
        )
        self._client = httpx.AsyncClient(
            transport=self.transport,
            trust_env=False,
            timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        """See the port."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, body)
        except egress.EgressRefused as error:
            raise DeliveryFailed("The URL is not allowed: it is not a public https URL on port 443.") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TimeoutError from error
        except Exception as error:  # from httpx and the libraries below it, without a common base class
            raise DeliveryFailed(f"{type(error).__name__}: there was no valid response.") from error

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        async with self._client.stream("POST", url, content=body, headers=dict(headers)) as response:
            if response.is_success:
                return ReceiverResponse(status=response.status_code)
            return ReceiverResponse(
                status=response.status_code,
                retry_after=response.headers.get("retry-after"),
                body=await _beginning(response),
            )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _beginning(response: httpx.Response) -> str | None:
    """Return the first BODY_LIMIT bytes as text, or None if they cannot be read: the status alone decides."""
    raw = b""
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) >= BODY_LIMIT:
                    break
    # Each invalid byte would become three bytes of UTF-8.
    text = raw[:BODY_LIMIT].decode(errors="ignore").replace("\x00", "")
    return text or None
