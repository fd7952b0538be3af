"""What a download comes to."""

import pytest

from shared.images.download import Downloader
from shared.images.stream import MeasuredImageStream
from shared.ports import CopyError

MAX_BYTES = 300_000


def fetched(downloads: Downloader, url: str) -> tuple[MeasuredImageStream, bytes]:
    """The image after its last byte, and all its bytes."""
    with downloads.open(url) as image:
        content = b"".join(image.chunks())
        return image, content


def refusal(downloads: Downloader, url: str) -> CopyError:
    """Why there is no image."""
    with pytest.raises(CopyError) as raised:
        fetched(downloads, url)
    return raised.value
