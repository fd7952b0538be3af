"""Addresses that callers name, the input image's and where a form goes on: whatever looks odd is refused at once.

What the host of an input image resolves to is checked where it is fetched (shared/egress.py).
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.config import Config
from shared.egress import DEFAULT_PORTS, is_public
from shared.problems import Problem

LONGEST = 2_048  # characters

# https://www.rfc-editor.org/rfc/rfc3986, less what libraries and browsers read in different ways: only visible ASCII,
# no backslash, no user name, and a host that is a name or an IP address, not what merely passes for one (`0`, `127.1`).
NAME = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
PORT = r"0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
REST = r"(?:[/?#][!-\[\]-~]*)?"

_IP = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]"
_PLAIN = re.compile(rf"[Hh][Tt][Tt][Pp][Ss]?://(?:{NAME}|{_IP})(?::(?:{PORT})?)?{REST}")


def image_url(value: Any, config: Config) -> str:
    """`image1` as an address; Problem if it is none that may be fetched."""
    url = _parsed(value)
    if url is None:
        detail = f"image1 must be an https address (percent-encoded, at most {LONGEST:,} characters), or a file."
        raise Problem.wrong(detail, "image1")
    if not (config.allow_private_network and _is_known(_host(url), config)):
        if url.scheme != "https":
            raise Problem.wrong("The address of image1 must begin with https://.", "image1")
        if url.port is not None:  # nothing else is asked for it (shared/egress.py)
            raise Problem.wrong("The address of image1 must be on port 443.", "image1")
        if _is_private(_host(url)):
            raise Problem.wrong("image1 must be on a public host.", "image1")
    return str(value)


def redirect_url(value: Any, origins: Iterable[str]) -> str:
    """`redirectUrl`; Problem unless its origin is one that forms may come from."""
    url = _parsed(value)
    if url is None or _origin(url) not in origins:
        detail = "redirectUrl must be an absolute http(s) address on an origin of FORM_ORIGINS."
        raise Problem.wrong(detail, "redirectUrl")
    return str(value)


def _parsed(value: Any) -> httpx.URL | None:
    """An absolute http(s) address without user and password, if two parsers read the same in it."""
    if not isinstance(value, str) or len(value) > LONGEST or not _PLAIN.fullmatch(value):
        return None
    try:
        url, parts = httpx.URL(value), urlsplit(value)
        port = None if parts.port == DEFAULT_PORTS.get(parts.scheme) else parts.port
        same = (url.scheme, _host(url), url.port) == (parts.scheme, parts.hostname, port)
        return url if same and url.host else None  # a wrong `xn--` shows only when it is decoded
    except (httpx.InvalidURL, ValueError):
        return None


def _host(url: httpx.URL) -> str:
    """As it is asked for: `xn--…` stays as it is."""
    return url.raw_host.decode("ascii")


def _origin(url: httpx.URL) -> str:
    """`scheme://host[:port]`, as browsers write it in `Origin`."""
    host = f"[{_host(url)}]" if ":" in url.host else _host(url)
    return f"{url.scheme}://{host}{'' if url.port is None else f':{url.port}'}"


def _is_known(host: str, config: Config) -> bool:
    """Whether this is the executor's host, or one of IMAGE_HOSTS or below it."""
    addresses = [config.wireflow_base_url, *(f"//{entry}" for entry in config.image_hosts)]
    homes = [_host(httpx.URL(address)) for address in addresses]
    return any(host == home or host.endswith(f".{home}") for home in homes)


def _is_private(host: str) -> bool:
    """Whether this is an address, not a name, that is not public."""
    try:
        return not is_public(str(ip_address(host.removesuffix("."))))
    except ValueError:
        return False
