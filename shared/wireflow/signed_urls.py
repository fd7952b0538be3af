"""Comparison of image URLs without their signatures: a URL that was signed again is the same image."""

from urllib.parse import parse_qsl, urlencode, urlsplit

# Query parameters of URLs signed by Amazon, Google, Azure, and CDNs, in lower case.
SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
SIGNATURE_NAMES = frozenset(
    "signature expires key-pair-id policy googleaccessid awsaccesskeyid sig se sp sv sr st spr token exp hmac".split()
)


def unsigned(url: str) -> str:
    """Return the URL without its signature, or unchanged if it cannot be parsed."""
    try:
        parts = urlsplit(url)
        query = [(name, value) for name, value in parse_qsl(parts.query, True) if not _is_signature(name.lower())]
        return parts._replace(query=urlencode(query), fragment="").geturl()
    except ValueError:
        return url


def _is_signature(name: str) -> bool:
    return name in SIGNATURE_NAMES or name.startswith(SIGNATURE_PREFIXES)
