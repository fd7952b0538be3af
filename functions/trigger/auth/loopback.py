"""Requests without any authentication: only from this machine, and not from foreign pages in a browser on it."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from shared.auth_settings import origin_of

# Words in the names of headers that proxies, tunnels, and CDNs add when they forward a request: RFC 7239, RFC 9110
# (7.6.2, 7.6.3), RFC 8586, and those of vendors. No browser and no HTTP client on this machine sends one.
_WORD = (
    r"forward|forwards|forwarded|forwarder|via|proxy|proxied|proxyuser|cdn|loop|original|rewrite|surrogate|tunnel"
    r"|akamai|amz|amzn|appengine|arr|azure|cf|cloudfront|devtunnel|envoy|fastly|fly|haproxy|heroku|incap|netlify|nf|nginx"
    r"|ngrok|railway|render|rndr|sucuri|tailscale|traefik|varnish|vercel|zrok"
    r"|(?:client|connecting|real|remote|originating|peer|user|src|true)?(?:ip|ipv6|addr|address)"
)
_FORWARDING = re.compile(
    rf"(?:.+[-_])?(?:{_WORD})(?:[-_].+)?|x[-_](?:host|scheme|url[-_]scheme|request[-_]start)|front[-_]end[-_]https"
    r"|x[-_]serverless[-_]authorization"
)


def is_local(request: Request) -> bool:
    """Return whether the request comes from this machine: Host and peer are loopback, and nothing forwarded it.

    Any other Host can be made to resolve to this machine (DNS rebinding), or is the name of a tunnel.
    """
    hosts = request.headers.getlist("host")
    peer = request.client.host if request.client else ""
    is_forwarded = any(map(_tells_of_forwarding, request.headers))
    is_forwarded |= len(hosts) != 1 or not {"/", "?", "#"}.isdisjoint(hosts[0])  # no client writes such a Host
    return not is_forwarded and _names_loopback(f"http://{hosts[0]}") and _is_loopback(peer)


def is_cross_origin(request: Request, public_url: str | None) -> bool:
    """Return whether a page of another origin sent the request: browsers say so with every POST."""
    return not all(_is_own(origin, request, public_url) for origin in request.headers.getlist("origin"))


def _is_own(origin: str, request: Request, public_url: str | None) -> bool:
    if public_url and origin == origin_of(public_url):
        return True
    host = request.headers.get("host", "")
    return _names_loopback(origin) and origin in (origin_of(f"http://{host}"), origin_of(f"https://{host}"))


@lru_cache(256)
def _tells_of_forwarding(header: str) -> bool:
    return _FORWARDING.fullmatch(header) is not None


@lru_cache(256)
def _names_loopback(url: str) -> bool:
    origin = origin_of(url)
    name = (urlsplit(origin).hostname or "") if origin else ""
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


@lru_cache(256)
def _is_loopback(host: str) -> bool:
    try:
        ip = ip_address(host)
    except ValueError:
        return False
    return ((ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip).is_loopback
