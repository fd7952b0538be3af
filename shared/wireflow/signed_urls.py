"""Which image a URL leads to, whatever it is signed with: a URL that was signed anew leads to no new image."""

from urllib.parse import parse_qsl, urlencode, urlsplit

# What Amazon, Google, Azure and CDNs put into the query of a signed URL, in lower case.
SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
SIGNATURE_NAMES = frozenset(
    "signature expires key-pair-id policy googleaccessid awsaccesskeyid sig se sp sv sr st spr token exp hmac".split()
)


def unsigned(url: str) -> str:
    """The URL without its signature; the URL as it is where it cannot be taken apart."""
    try:
        parts = urlsplit(url)
        kept = [(name, value) for name, value in parse_qsl(parts.query, True) if not _signs(name.lower())]
        return parts._replace(query=urlencode(kept), fragment="").geturl()
    except ValueError:
        return url


def _signs(name: str) -> bool:
    return name in SIGNATURE_NAMES or name.startswith(SIGNATURE_PREFIXES)
