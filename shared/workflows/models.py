"""The image models of Wireflow: what each accepts, what it costs, and what replaces it. The only such table.

Collected in November 2026. Credits are from Wireflow's list of 8 October 2026, which no longer has the models without
them. Wireflow publishes no such table: WIREFLOW_MODELS corrects this one.
"""

from dataclasses import dataclass
from enum import StrEnum

TEN_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
FOURTEEN_RATIOS = (*TEN_RATIOS, "1:4", "4:1", "1:8", "8:1")


class ModelStatus(StrEnum):
    """Whether a model can be relied on. A retired one may be refused, or replaced by another model."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model; its node is `generate:NAME`. The first resolution and the first aspect ratio are the defaults.

    Without `resolutions` or `aspect_ratios` there is no choice, and none is sent. `input_images`: how many it accepts.
    `credits`: of one image, None if they are not known. A model that is not active has a successor.
    """

    name: str
    resolutions: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = TEN_RATIOS
    input_images: int = 0
    credits: int | None = None
    status: ModelStatus = ModelStatus.ACTIVE
    successor: str | None = None

    def choices(self, field: str) -> tuple[str, ...]:
        """The values of `resolution` or `aspect_ratio`, the default first; empty if none must be sent."""
        return {"resolution": self.resolutions, "aspect_ratio": self.aspect_ratios}[field]

    @property
    def warning(self) -> str | None:
        """A sentence that names the successor; None for an active model."""
        if self.status is ModelStatus.ACTIVE:
            return None
        return f"The model {self.name} is {self.status}. Set model to {self.successor} in WIREFLOW_WORKFLOWS."


_TABLE = (
    Model(  # gemini-2.5-flash-image; earliest shutdown 2 October 2026
        name="nano_banana",
        resolutions=("1K",),
        input_images=3,
        status=ModelStatus.RETIRED,
        successor="nano_banana_2_lite",
    ),
    Model(  # gemini-3.1-flash-image; deprecated 6 October 2026
        name="nano_banana_2",
        resolutions=("1K", "2K", "4K", "512"),
        aspect_ratios=FOURTEEN_RATIOS,
        input_images=14,
        status=ModelStatus.DEPRECATED,
        successor="nano_banana_2_1",
    ),
    Model(  # gemini-nano-banana-2.1
        name="nano_banana_2_1",
        resolutions=("1K", "2K", "4K"),
        aspect_ratios=FOURTEEN_RATIOS,
        input_images=14,
        credits=20,
    ),
    Model(  # gemini-3.1-flash-lite-image; a resolution must not be sent
        name="nano_banana_2_lite",
        aspect_ratios=FOURTEEN_RATIOS,
        credits=16,
    ),
    Model(  # gemini-3-pro-image
        name="nano_banana_pro",
        resolutions=("1K", "2K", "4K"),
        input_images=14,
        credits=20,
    ),
)
MODELS: dict[str, Model] = {model.name: model for model in _TABLE}
