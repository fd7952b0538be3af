"""SSRF guard: requests to URLs from outside reach only public addresses of allowed hosts.

A host is resolved once, all of its addresses are checked, and the connection goes to a checked address, so a DNS server
cannot pass the check with one address and receive the connection at another. Redirects are checked like other requests.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

Resolve = Callable[[str, int], Sequence[str]]

DEFAULT_PORTS = {"https": 443, "http": 80}
MAX_ADDRESSES = 3
MAX_CONNECTIONS = 100
# httpcore pools connections by address. Two hosts of one CDN share addresses, and a kept connection would carry a
# request for one of them over TLS that was verified for the other. So no connection is kept.
LIMITS = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=0)
TIMEOUT = httpx.Timeout(20.0, connect=10.0)

# https://www.iana.org/assignments/iana-ipv6-special-registry: an IPv6 address with an IPv4 address in its last 32 bits
# is as public as that one.
EMBEDDING_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
# Python 3.11 reports these as global; some were corrected in later versions.
REFUSED_IPV4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
REFUSED_IPV6 = (IPv6Network("2001::/23"), IPv6Network("2002::/16"), IPv6Network("3fff::/20"))
GLOBAL_UNICAST = IPv6Network("2000::/3")


class EgressRefused(Exception):
    """The request was not sent because its scheme, host, or address is not allowed; the text says which.

    EgressRefused       a name resolves to an address that is not public
    ├── NeverAllowed    another scheme, an invalid host, or an address that is not public instead of a name
    └── HostNotListed   the host is not among the allowed hosts
    """


class NeverAllowed(EgressRefused):
    """The URL itself has another scheme than https, no valid host, or an address that is not public."""


class HostNotListed(EgressRefused):
    """The host is not among the allowed ones; `host` is the entry that would allow it: `host` or `host:port`."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(message)
        self.host = host


def client(
    hosts: Iterable[str],
    *,
    allow_private: bool = False,
    any_public: bool = False,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> httpx.Client:
    """Return a thread-safe client whose requests are all checked by `Egress`. It does not follow redirects.

    It ignores the proxies of the environment and stores no cookies, so that copies do not affect each other.
    """
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    transport = Egress(
        hosts, allow_private=allow_private, any_public=any_public, resolve=resolve or resolve_host, tls=tls
    )
    return httpx.Client(transport=transport, trust_env=False, timeout=TIMEOUT, cookies=no_cookies)


class _Checks:
    """Which requests are allowed.

    `hosts`: `host` (with the default port of the scheme) or `host:port`; subdomains are included.
    `allow_private` allows plain http, private addresses, and, for entries without a port, every port on these hosts.
    `any_public` also allows every other host, over https on port 443 and at public addresses only.
    """

    def __init__(self, hosts: Iterable[str], *, allow_private: bool, any_public: bool = False) -> None:
        self._hosts = [_host_and_port(httpx.URL(f"//{entry.strip()}")) for entry in hosts]
        self._allow_private = allow_private
        self._any_public = any_public

    def _check_url(self, url: httpx.URL) -> tuple[str, int, bool]:
        """Return the host and port of an allowed URL, and whether they are in `hosts`."""
        if url.scheme != "https" and not (url.scheme == "http" and self._allow_private):
            raise NeverAllowed(f"{url.scheme or 'no scheme'}: only https is allowed")
        host, port = _host_and_port(url)
        port = port or DEFAULT_PORTS[url.scheme]
        if self._listed(host, port, url.scheme):
            return host, port, True
        if self._any_public and (url.scheme, port) == ("https", 443):
            return host, port, False
        hint = "; for other hosts only https on port 443 is allowed" if self._any_public else ""
        message = f"{host}:{port} is not among the allowed hosts{hint}"
        address = _literal_address(host)
        private = address is not None and not is_public(address) and not self._allow_private
        # No one should list these, not even for a local run: the metadata servers of clouds are among them.
        link_local = address is not None and ip_address(address).is_link_local
        if private or link_local or not host or "%" in host:
            raise NeverAllowed(message)
        raise HostNotListed(host if port == DEFAULT_PORTS[url.scheme] else f"{host}:{port}", message)

    def _listed(self, host: str, port: int, scheme: str) -> bool:
        for allowed, allowed_port in self._hosts:
            # Local servers listen on any free port.
            any_port = self._allow_private and allowed_port is None
            same_host = bool(allowed) and (host == allowed or host.endswith(f".{allowed}"))
            if same_host and (any_port or port == (allowed_port or DEFAULT_PORTS[scheme])):
                return True
        return False

    def _check_addresses(self, host: str, addresses: Sequence[str], *, listed: bool) -> Sequence[str]:
        if not addresses:
            raise httpx.ConnectError(f"{host} has no address")
        if not (listed and self._allow_private):
            for address in addresses:
                _refuse_unless_public(host, address, listed=listed)
        return addresses[:MAX_ADDRESSES]


class Egress(_Checks, httpx.BaseTransport):
    """A transport that sends requests to checked addresses only; raises EgressRefused or httpx.TransportError."""

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        allow_private: bool,
        resolve: Resolve,
        any_public: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(hosts, allow_private=allow_private, any_public=any_public)
        self._resolve = resolve
        self._tls = tls

    @cached_property
    def _transport(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(verify=self._tls or _default_tls(), trust_env=False, limits=LIMITS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Try the checked addresses of the host in turn, until one accepts a connection."""
        with _errors_translated():
            host, port, listed = self._check_url(request.url)
            *others, last = self._check_addresses(host, self._resolve(host, port), listed=listed)
            for address in others:
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return self._transport.handle_request(_addressed(request, host, address))
            return self._transport.handle_request(_addressed(request, host, last))

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


class AsyncEgress(_Checks, httpx.AsyncBaseTransport):
    """The same on an event loop, for any public host. Names are resolved in `threads`, which a resolver may block."""

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        allow_private: bool,
        threads: Executor,
        resolve: Resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(hosts, allow_private=allow_private, any_public=True)
        self._threads = threads
        self._resolve = resolve
        self._tls = tls

    @cached_property
    def _transport(self) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=self._tls or _default_tls(), trust_env=False, limits=LIMITS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Try the checked addresses of the host in turn, until one accepts a connection."""
        with _errors_translated():
            host, port, listed = self._check_url(request.url)
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, self._resolve, host, port)
            *others, last = self._check_addresses(host, found, listed=listed)
            for address in others:
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._transport.handle_async_request(_addressed(request, host, address))
            return await self._transport.handle_async_request(_addressed(request, host, last))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


def _addressed(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """Return the request for one address of its host.

    The Host header is already set and keeps the host name; TLS requests and verifies the host name, too:
    https://www.python-httpx.org/advanced/extensions/#sni_hostname
    """
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # a name that IDNA does not allow, an address that is none
        raise EgressRefused(f"{type(error).__name__}: {error}") from error
    except OSError as error:  # of a socket or of TLS
        raise httpx.ConnectError(f"{type(error).__name__}: {error}") from error


@cache
def _default_tls() -> ssl.SSLContext:
    """Return the TLS context, built once: it reads a few hundred certificates."""
    return httpx.create_ssl_context()


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the distinct addresses of `host` in the system's order of preference; raise httpx.ConnectError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host} cannot be resolved: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether the address is a public one on the internet."""
    ip = _embedded_ipv4(ip_address(address))
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in REFUSED_IPV4)
    return ip in GLOBAL_UNICAST and not any(ip in network for network in REFUSED_IPV6)


def _embedded_ipv4(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv6Address) and any(ip in network for network in EMBEDDING_IPV4):
        return IPv4Address(ip.packed[-4:])
    return ip


def _refuse_unless_public(host: str, address: str, *, listed: bool) -> None:
    if not is_public(address):
        hint = "; ALLOW_PRIVATE_NETWORK=true allows it for local runs" if listed else ""
        error = NeverAllowed if _literal_address(host) else EgressRefused
        raise error(f"{host} has the address {address}, which is not public{hint}")


def _literal_address(host: str) -> str | None:
    """Return the address that a host is instead of a name, in any spelling that resolvers accept: 127.1, 0x7f000001."""
    with suppress(ValueError):
        return str(ip_address(host))
    with suppress(OSError, ValueError):
        return socket.inet_ntoa(socket.inet_aton(host))
    return None


def _host_and_port(url: httpx.URL) -> tuple[str, int | None]:
    return url.raw_host.decode("ascii").lower().removesuffix("."), url.port
