"""The errors of image stores, and of downloads from them and from other servers."""

from shared.error_codes import ErrorCode

HOST_LIMIT = 260  # characters of `host:port`; a name has at most 253: https://www.rfc-editor.org/rfc/rfc1035


class CopyError(Exception):
    """An image could not be copied. The text is for callers too, if it is not one of UrlNotAllowed.

    CopyError                a temporary failure of the download: retry
    ├── ImageGone            the image host does not serve the image, and no other route does: it has probably expired
    ├── ProxyUnavailable     the image host does not serve the image, and the download proxy is unavailable: retry
    ├── ImageRefused         a retry does not help: not an image, or too large
    ├── ImageStoreFailed     the image store failed: retry
    │   └── NameTaken        it holds another image under this name
    └── UrlNotAllowed        the scheme, host, or address is not allowed, for the URL or for a redirect
        ├── HostNotAllowed   the host is not in IMAGE_HOSTS: retry, because the operator may add it
        └── UrlRefused       a retry does not help: the URL itself is not an https URL of a public host
    """


class ImageStoreFailed(CopyError):
    """The image store cannot be used: it does not respond, refuses, or has not what it should have."""


class NameTaken(ImageStoreFailed):
    """The name holds another image. Stored images are never replaced."""


class ImageGone(CopyError):
    """No route serves the image anymore."""


class ProxyUnavailable(CopyError):
    """The download proxy may have the image, but it does not respond."""


class ImageRefused(CopyError):
    """The content cannot be stored; `code` says why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class UrlNotAllowed(CopyError):
    """No request was sent. The text names the rule and the address that broke it: log it, never show it to callers."""


class HostNotAllowed(UrlNotAllowed):
    """`host`, as IMAGE_HOSTS would have it, is not in IMAGE_HOSTS."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(message)
        self.host = host[:HOST_LIMIT]


class UrlRefused(UrlNotAllowed):
    """The URL is invalid, has another scheme than https, or an address that is not public instead of a host name."""
