"""Parsers of single settings. Each returns the value, or raises ValueError with what the setting must be."""

import math
import re
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

MAX_DIGITS = 12
_NUMBERS = re.compile(r"[0-9.]+")
_HOST = re.compile(r"([a-z0-9_-]+\.)*[a-z0-9_-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?")


def flag(text: str) -> bool:
    """Parse a boolean."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def ascii_word(text: str) -> str:
    """Parse a word of printable ASCII."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII characters without spaces")
    return text


def test_only_url(default: str, private: bool) -> Callable[[str], str]:
    """Return a parser for a URL that only tests may change."""

    def parse(text: str) -> str:
        if text != default and not private:
            raise ValueError("can only be changed with ALLOW_PRIVATE_NETWORK=true")
        return http_url(text)

    return parse


def _number(text: str) -> float:
    """Parse a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def number_between(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser for a number in this range."""

    def parse(text: str) -> float:
        if not minimum <= (number := _number(text)) <= maximum:
            raise ValueError(f"must be a number from {minimum:g} to {maximum:g}")
        return number

    return parse


def count(text: str) -> int:
    """Parse a whole number."""
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise ValueError(f"must be a whole number of at most {MAX_DIGITS} digits; 0 means no limit")
    return int(text)


def size(text: str) -> int:
    """Parse a positive number of bytes."""
    if not count(text):
        raise ValueError("must be a number of bytes greater than 0")
    return int(text)


def hosts(text: str) -> tuple[str, ...]:
    """Parse `host` or `host:port`, separated by commas."""
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts or not all(_HOST.fullmatch(host) and _has_valid_host(f"//{host}") for host in hosts):
        raise ValueError("must be host or host:port, separated by commas, without scheme, path, or *")
    return hosts


def _has_valid_host(url: str) -> bool:
    """Whether the host of a URL is a name or a complete IP address, and its port is valid if it has one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if ":" in host or _NUMBERS.fullmatch(host):
            ip_address(host)
        return bool(host) and parts.port != 0
    except ValueError:
        return False


def base_url(text: str, private: bool) -> str:
    """Parse a URL that must be https; `private`: http is allowed, too."""
    if not text.startswith("https://") and not private:
        raise ValueError("must start with https:// (http:// only with ALLOW_PRIVATE_NETWORK=true)")
    return http_url(text)


def http_url(text: str) -> str:
    """Parse a URL without user, password, query, and fragment. No fault repeats the URL: it may contain a password."""
    if not text.isascii() or not text.isprintable() or not _has_valid_host(text):
        raise ValueError("must be an http:// or https:// URL with a valid host, in printable ASCII characters")
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or a password")
    if parts.scheme not in {"http", "https"} or parts.query or parts.fragment or " " in text:
        raise ValueError("must be an http:// or https:// URL without query or fragment")
    return text.rstrip("/")


def webhook_name(text: str) -> str:
    """Parse the id of a webhook."""
    if "/" in text or not text.strip(".") or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be the id alone, the part of the webhook URL between /workflow/ and /trigger")
    return text
