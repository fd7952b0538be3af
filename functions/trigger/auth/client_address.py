"""The IP address that a browser's request comes from, as far as it cannot be forged."""

from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

from shared.auth_settings import AuthSettings


def client_address(request: Request, settings: AuthSettings) -> str:
    """Return the address that Cloud Run, or a trusted proxy before it, saw; elsewhere the peer's. Empty if unknown.

    Cloud Run appends the peer's address to X-Forwarded-For; the client may have sent the entries before it.
    """
    lines = request.headers.getlist("x-forwarded-for")
    hops = [hop.strip() for line in lines for hop in line.split(",") if hop.strip()]
    if settings.on_cloud_run and hops:
        return hops[max(len(hops) - 1 - settings.trusted_proxies, 0)]
    return request.client.host if request.client else ""


def rate_limit_key(address: str) -> str:
    """Return what is limited together: an IPv4 address, or an IPv6 network of 64 bits, which one customer owns."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{IPv6Address(int(ip) >> 64 << 64)}/64"
