"""Comparison of image URLs without their signatures: a URL that was signed again is the same image."""

import re
from collections.abc import Set
from urllib.parse import quote, unquote, urlsplit

# Query parameters that only sign a URL, by family, in lower case. A vendor's prefix covers what it adds later.
# Amazon, Google, Alibaba, Tencent, Volcengine, Huawei, Baidu, Backblaze, Akamai, …: `X-Amz-Signature`, `x-oss-expires`.
# `x-oss-process` and its like choose a rendition of the image: they stay.
_VENDOR = re.compile(r"x-[a-z0-9]+-(?!(?:image-)?process$).+|q-.+|hdn[a-z]+|_+gda_+|ws(?:secret|time)")
# `AWSAccessKeyId`, `OSSAccessKeyId`, `GoogleAccessId`, `Key-Pair-Id`, `KeyName`, …
_KEY = re.compile(r"[a-z0-9]*access-?(?:key-?)?id|(?:key-?pair-?id|key-?name|auth[-_]?key|security-?token)")
_SIGNATURE = re.compile(
    r"(?:x-)?(?:(?:url)?sign(?:ature)?|sig|hmac|policy|hash-algorithm|expire[sd]?|expir(?:y|ation)|exp)"
    r"|_*jwt|authorization"
)
_TOKEN = re.compile(r"_*(?:[a-z]+[-_])?token_*|token[-_](?:path|countries)|verify|url-?prefix")
# Short names that are part of a signature only beside another one. A name too few is harmless: `results.without_twins`.
# Azure: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas; Discord; Meta; AWS SDKs;
# ByteDance; CDNs that sign with a secret: https://nginx.org/en/docs/http/ngx_http_secure_link_module.html, Qiniu.
_TIME = re.compile(r"t|ts|time|timestamp|nonce")
_BESIDE = {
    "sig": re.compile(r"s[a-z]{1,2}(?:o?id)?|rsc[cdelt]"),
    "hm": re.compile(r"hm|ex|is"),
    "oh": re.compile(r"oh|oe"),
    "sign": _TIME,
    "signature": _TIME,
    "token": re.compile(r"e|ts"),
    "expires": re.compile(r"st|md5|hash"),
    "x-signature": re.compile(r"[lr]k3s"),
    "x-amz-signature": re.compile(r"x-id"),
}


_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_AS_WRITTEN = "%:/?#[]@!$&'()*+,;=|\\^{}\"<>`"  # everything but spaces and what is not ASCII


def unsigned(url: str) -> str:
    """Return the URL without its signature and fragment, or unchanged if it cannot be parsed.

    Two spellings of one URL are the same (https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2), but no escape is
    decoded that could mean something else: two escapes that are not UTF-8 are not the same image.
    """
    try:
        parts = urlsplit(_ESCAPE.sub(_normalized, quote(url, safe=_AS_WRITTEN)))
        default_port = {"https": ":443", "http": ":80"}.get(parts.scheme, ":")
        parts = parts._replace(netloc=parts.netloc.lower().removesuffix(default_port))
        parameters = [(unquote(item.partition("=")[0]).lower(), item) for item in parts.query.split("&")]
        names = {name for name, _ in parameters}
        query = "&".join(item for name, item in parameters if not _is_signature(name, names))
        return parts._replace(query=query, fragment="").geturl()
    except ValueError:
        return url


def _normalized(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escape[0].upper()


def without_query(url: str) -> str:
    """Return the URL without its query and fragment."""
    return re.split(r"[?#]", url, maxsplit=1)[0]


def _is_signature(name: str, names: Set[str]) -> bool:
    """Whether a query parameter belongs to the signature of a URL with these parameters."""
    families = (_VENDOR, _KEY, _SIGNATURE, _TOKEN)
    return any(family.fullmatch(name) for family in families) or any(
        beside in names and family.fullmatch(name) for beside, family in _BESIDE.items()
    )
