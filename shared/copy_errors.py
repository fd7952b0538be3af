"""The errors of image stores, and of downloads from them and from other servers."""

from shared.error_codes import ErrorCode

HOST_LIMIT = 260  # characters of `host:port`; a name has at most 253: https://www.rfc-editor.org/rfc/rfc1035


class CopyError(Exception):
    """An image could not be copied.

    CopyError            a temporary failure of the network or a store: retry
    ├── ImageGone        403, 404, or 410 on every route: the image has probably expired
    ├── ImageRefused     a retry does not help: not an image, or too large
    ├── NameTaken        the image store holds another image under this name
    └── UrlNotAllowed    the scheme, host, or address is not allowed, for the URL or for a redirect
        ├── HostNotAllowed   the host is not in IMAGE_HOSTS: retry, because the operator may add it
        └── UrlRefused       a retry does not help: the URL itself is not an https URL of a public host
    """


class NameTaken(CopyError):
    """The name holds another image. Stored images are never replaced."""


class ImageGone(CopyError):
    """No route serves the image any more."""


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
