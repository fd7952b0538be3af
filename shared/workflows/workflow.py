"""The records: a configured workflow, an input of a saved workflow, and the error for a field that is not valid."""

from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT = "default"

# Fields that a request may change in an executed workflow, if its settings allow it; the names are Wireflow's.
OVERRIDES = ("model", "resolution", "aspect_ratio")

# The guide's table of models; the node of each is `generate:NAME`. The first resolution is the default.
KNOWN_MODELS: dict[str, tuple[str, ...]] = {
    "nano_banana": ("1K",),
    "nano_banana_2": ("1K",),
    "nano_banana_pro": ("1K", "2K", "4K"),
}
# "Both Nano Banana Pro and Nano Banana 2 accept an optional input image" (the guide). For others it is not known.
TAKES_IMAGE = ("nano_banana_2", "nano_banana_pro")
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


class Mode(StrEnum):
    """How a run of the workflow is started."""

    WEBHOOK = "webhook"  # POST /workflow/{id}/trigger: fields unchanged
    RUN = "run"  # POST /workflows/{id}/run: by the workflow's own inputs
    EXECUTE = "execute"  # POST /workflows/{id}/execute: the graph of the guide


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One entry of WIREFLOW_WORKFLOWS. `prices`: dollars per image by resolution, or (None, price) for all.

    `resolution` and `aspect_ratio` are None if the settings do not name them; the defaults are the first resolution of
    the model that is used, and 1:1.
    """

    name: str
    mode: Mode
    id: str = field(repr=False)
    model: str | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    prices: tuple[tuple[str | None, float], ...] = ()
    overridable: tuple[str, ...] = ()
    models: tuple[tuple[str, tuple[str, ...]], ...] = ()  # every known model with its resolutions


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInput:
    """An input of a saved workflow as Wireflow describes it. `kind`: text, image, url, number, boolean, or select."""

    node_id: str
    label: str
    kind: str
    required: bool = False


class FieldRefused(Exception):
    """A field is not valid for the workflow; `field` is its name, the text says what to change."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
