"""The locations of the stores: JOBS_URL and IMAGES_URL."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a store: `firestore://PROJECT/DATABASE`, `sqlite:///PATH`, `gs://BUCKET/PREFIX`, `file:///PATH`."""

    scheme: str
    host: str
    path: str


NO_LOCATION = Location("", "", "")


def jobs_location(text: str) -> Location:
    """Parse JOBS_URL. Raise ValueError."""
    scheme, host, path = _parts(text)
    path = path[1:]
    if scheme == "firestore" and host and path and "/" not in path:
        return Location("firestore", host, path)
    if scheme == "sqlite" and not host and path:
        return Location("sqlite", "", path)
    raise ValueError("must be firestore://PROJECT/DATABASE or sqlite:///PATH")


def images_location(text: str) -> Location:
    """Parse IMAGES_URL. Raise ValueError."""
    scheme, host, path = _parts(text)
    if scheme == "gs" and host:
        return Location("gs", host, path.strip("/"))
    if scheme == "file" and not host and path.strip("/"):
        return Location("file", "", path)
    raise ValueError("must be gs://BUCKET/PREFIX or file:///ABSOLUTE/PATH")


def _parts(text: str) -> tuple[str, str, str]:
    """Return scheme, host, and path; nothing if this is no URL, because a fault must not repeat it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", "", ""
    path = unquote(parts.path)
    return (parts.scheme, parts.netloc, path) if path.isprintable() else ("", "", "")
