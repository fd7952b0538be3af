"""How a fault changes what Wireflow reports about a run."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunEffect:
    """The changes; each default leaves a part as it is."""

    status: str | None = None  # of a run that ended, instead of COMPLETED; it has no images
    error: str | None = None  # of such a run
    node_error: Any = None  # a text, or a provider's error object
    final_status: str | None = None  # of a run that ended, instead of COMPLETED; it has its images
    running_status: str | None = None  # while it runs; "" leaves the status out
    never_ends: bool = False
    without_images: bool = False
    text: str | None = None  # of the node that generates, once the run has ended
    early_images: bool = False  # a COMPLETED node with its images in the second half of a RUNNING run
    repeated_urls: bool = False  # each URL in every place that a response has for it
    signs_urls: bool = False  # each response has other signatures
    inline_bytes: int = 0  # of base64 beside each URL
    lower_case: bool = False
    style: str | None = None  # a Style of the settings
