"""Helpers that run a download to its end."""

import pytest

from shared.copy_errors import CopyError
from shared.images.download import Downloader
from shared.images.stream import MeasuredImageStream

MAX_BYTES = 300_000


def fetched(downloads: Downloader, url: str) -> tuple[MeasuredImageStream, bytes]:
    """Return the image after its last byte, and all of its bytes."""
    with downloads.open(url) as image:
        content = b"".join(image.chunks())
        return image, content


def refusal(downloads: Downloader, url: str) -> CopyError:
    """Return the error of a download that fails."""
    with pytest.raises(CopyError) as raised:
        fetched(downloads, url)
    return raised.value
