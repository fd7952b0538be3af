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
    parts = urlsplit(text)
    path = unquote(parts.path[1:])
    if parts.scheme == "firestore" and parts.netloc and path and "/" not in path:
        return Location("firestore", parts.netloc, path)
    if parts.scheme == "sqlite" and not parts.netloc and path:
        return Location("sqlite", "", path)
    raise ValueError("must be firestore://PROJECT/DATABASE or sqlite:///PATH")


def images_location(text: str) -> Location:
    """Parse IMAGES_URL. Raise ValueError."""
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.scheme == "gs" and parts.netloc:
        return Location("gs", parts.netloc, path.strip("/"))
    if parts.scheme == "file" and not parts.netloc and path.strip("/"):
        return Location("file", "", path)
    raise ValueError("must be gs://BUCKET/PREFIX or file:///ABSOLUTE/PATH")
