"""URLs in requests: of the input image, of receivers, and of the page that follows a form. Ambiguous ones are rejected.

What the host of an input image or a receiver resolves to is checked when it is called (shared/egress.py).
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from shared.config import Config
from shared.egress import DEFAULT_PORTS, is_public
from shared.problems import Problem

LONGEST = 2_048  # characters

# https://www.rfc-editor.org/rfc/rfc3986, without what libraries and browsers read in different ways: only visible
# ASCII, no backslash, no user name, and a host that is a name or a complete IP address (not `0` or `127.1`).
NAME = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
PORT = r"0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
REST = r"(?:[/?#][!-\[\]-~]*)?"

# Below these no name is public: https://www.iana.org/assignments/special-use-domain-names, and by ICANN's resolution
# 2024.07.29.06 `internal`, where the metadata servers of Google Cloud are.
LOCAL_NAMES = ("localhost", "local", "home.arpa", "internal")

_IP = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]"
_PLAIN = re.compile(rf"[Hh][Tt][Tt][Pp][Ss]?://(?:{NAME}|{_IP})(?::(?:{PORT})?)?{REST}")


def check_image_url(name: str, value: str, config: Config) -> None:
    """Check that an input image may be fetched from this URL, the value of the field `name`. Problem 422 otherwise."""
    url = _parse(value)
    if url is None:
        detail = f"{name} must be an https URL (percent-encoded, at most {LONGEST:,} characters), or a file."
        raise Problem.wrong(detail, name)
    known = [config.wireflow_base_url, *(f"//{entry}" for entry in config.image_hosts)]
    _check_public(name, url, known, config)


def check_callback_url(name: str, value: str, config: Config) -> None:
    """Check that messages may be sent to this URL, the value of the field `name`. Problem 422 otherwise."""
    url = _parse(value)
    if url is None:
        detail = f"{name} must be an https URL (percent-encoded, at most {LONGEST:,} characters)."
        raise Problem.wrong(detail, name)
    _check_public(name, url, [f"//{entry}" for entry in config.callbacks.hosts], config)


def check_redirect_url(value: str, origins: Iterable[str]) -> None:
    """Check that a form may redirect to this URL: its origin is one that forms come from. Problem 422 otherwise."""
    url = _parse(value)
    if url is None or _origin(url) not in origins:
        raise Problem.wrong("redirectUrl must be an absolute URL on an origin of FORM_ORIGINS.", "redirectUrl")


def _check_public(name: str, url: httpx.URL, known: Iterable[str], config: Config) -> None:
    """Check what shared/egress.py would refuse. `known`: URLs whose hosts may be private in a local network."""
    if config.allow_private_network and _is_known(_host(url), known):
        return
    if url.scheme != "https":
        raise Problem.wrong(f"The URL of {name} must begin with https://.", name)
    if url.port is not None:
        raise Problem.wrong(f"The URL of {name} must use port 443.", name)
    if _is_private(_host(url)):
        raise Problem.wrong(f"The host of {name} must be public.", name)


def _parse(value: str) -> httpx.URL | None:
    """An absolute http(s) URL without user and password that two parsers read alike, or None."""
    if len(value) > LONGEST or not _PLAIN.fullmatch(value):
        return None
    try:
        url, parts = httpx.URL(value), urlsplit(value)
        port = None if parts.port == DEFAULT_PORTS.get(parts.scheme) else parts.port
        same = (url.scheme, _host(url), url.port) == (parts.scheme, parts.hostname, port)
        return url if same and url.host else None  # an invalid `xn--` raises only when it is decoded
    except (httpx.InvalidURL, ValueError):
        return None


def _host(url: httpx.URL) -> str:
    """The host in ASCII: `xn--…` is not decoded."""
    return url.raw_host.decode("ascii")


def _origin(url: httpx.URL) -> str:
    """`scheme://host[:port]`, as browsers send it in `Origin`."""
    host = f"[{_host(url)}]" if ":" in url.host else _host(url)
    return f"{url.scheme}://{host}{'' if url.port is None else f':{url.port}'}"


def _is_known(host: str, urls: Iterable[str]) -> bool:
    """Whether this is the host of one of the URLs, or a subdomain of one."""
    known = [_host(httpx.URL(url)) for url in urls]
    return any(host == name or host.endswith(f".{name}") for name in known)


def _is_private(host: str) -> bool:
    """Whether this is an IP address that is not public, or a local name; other names are resolved later."""
    name = host.removesuffix(".")
    try:
        return not is_public(str(ip_address(name)))
    except ValueError:
        return "." not in name or name.endswith(tuple(f".{one}" for one in LOCAL_NAMES))
