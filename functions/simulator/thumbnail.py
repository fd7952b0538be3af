"""The input image of a run, small enough to be kept with the run and pasted into what it draws."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from PIL import Image

LONGEST_SIDE = 96  # pixels


@dataclass(frozen=True)
class InputImage:
    """The sha256 (hex) of the image that arrived, and a JPEG of it."""

    sha256: str
    thumbnail: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The image in these bytes; OSError or ValueError if there is none. It computes: call it in a thread."""
        file = io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB")
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        small.save(file, "JPEG", quality=90)
        return cls(hashlib.sha256(content).hexdigest(), file.getvalue())

    def to_json(self) -> dict[str, str]:
        """The image as it stands in the ledger."""
        return {"sha256": self.sha256, "thumbnail": base64.b64encode(self.thumbnail).decode()}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Self:
        """The image that `to_json` wrote."""
        return cls(line["sha256"], base64.b64decode(line["thumbnail"]))
