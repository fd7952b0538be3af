"""The address that a browser's request came from, as far as nobody could make it up."""

from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

from shared.auth_settings import AuthSettings


def client_address(request: Request, settings: AuthSettings) -> str:
    """As Cloud Run heard it, or a trusted proxy before it; elsewhere the peer's. Empty if nobody knows.

    Cloud Run appends the peer's address to X-Forwarded-For; what stands left of it may be an invention.
    """
    if settings.on_cloud_run and (hops := _hops(request)):
        return hops[max(len(hops) - 1 - settings.trusted_proxies, 0)]
    return request.client.host if request.client else ""


def counted_as(address: str) -> str:
    """What is counted together: an IPv4 address; an IPv6 network of 64 bits, since one customer has all of it."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{IPv6Address(int(ip) >> 64 << 64)}/64"


def _hops(request: Request) -> list[str]:
    lines = request.headers.getlist("x-forwarded-for")
    return [hop.strip() for line in lines for hop in line.split(",") if hop.strip()]
