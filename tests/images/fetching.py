"""What a download comes to."""

import pytest

from shared.images.download import Downloads
from shared.images.measured import MeasuredPicture
from shared.ports import CopyError

MAX_BYTES = 300_000


def fetched(downloads: Downloads, url: str) -> tuple[MeasuredPicture, bytes]:
    """The picture after its last byte, and all its bytes."""
    with downloads.open(url) as picture:
        content = b"".join(picture.chunks())
        return picture, content


def refusal(downloads: Downloads, url: str) -> CopyError:
    """Why there is no picture."""
    with pytest.raises(CopyError) as raised:
        fetched(downloads, url)
    return raised.value
