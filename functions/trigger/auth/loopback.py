"""Requests without any authentication: only from this machine, and not from foreign pages in a browser on it."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from shared.auth_settings import origin_of


def is_peer(request: Request) -> bool:
    """Return whether the request comes from this machine, and no proxy or tunnel has forwarded it."""
    forwarded = not {"forwarded", "x-forwarded-for"}.isdisjoint(request.headers)
    return request.client is not None and _is_loopback(request.client.host) and not forwarded


def is_cross_origin(request: Request, public_url: str | None) -> bool:
    """Return whether a page of another origin sent the request: browsers say so with every POST."""
    return not all(_is_own(origin, request, public_url) for origin in request.headers.getlist("origin"))


def is_addressed(request: Request, public_url: str | None) -> bool:
    """Return whether Host is one of our own names. Any other can be made to resolve to this machine (DNS rebinding)."""
    url = f"http://{request.headers.get('host', '')}"
    return _names_loopback(url) or (public_url is not None and urlsplit(public_url).netloc == urlsplit(url).netloc)


def _is_own(origin: str, request: Request, public_url: str | None) -> bool:
    if public_url and origin == origin_of(public_url):
        return True
    host = request.headers.get("host", "")
    return _names_loopback(origin) and origin in (origin_of(f"http://{host}"), origin_of(f"https://{host}"))


def _names_loopback(url: str) -> bool:
    origin = origin_of(url)
    name = (urlsplit(origin).hostname or "") if origin else ""
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        ip = ip_address(host)
    except ValueError:
        return False
    return ((ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip).is_loopback
