"""The records: a configured workflow, an input of a saved workflow, and the error for a field that is not valid."""

from dataclasses import dataclass, field
from enum import StrEnum

from shared.workflows.models import Model

DEFAULT = "default"

# Fields that a request may change in an executed workflow, if its settings allow it; the names are Wireflow's.
OVERRIDES = ("model", "resolution", "aspect_ratio")


class Mode(StrEnum):
    """How a run of the workflow is started."""

    WEBHOOK = "webhook"  # POST /workflow/{id}/trigger: fields unchanged
    RUN = "run"  # POST /workflows/{id}/run: by the workflow's own inputs
    EXECUTE = "execute"  # POST /workflows/{id}/execute: the graph of the guide


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One entry of WIREFLOW_WORKFLOWS. `prices`: dollars per image by resolution, or (None, price) for all.

    `resolution` and `aspect_ratio` are None if the settings do not name them; the defaults are those of the model that
    is used.
    """

    name: str
    mode: Mode
    id: str = field(repr=False)
    model: str | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    prices: tuple[tuple[str | None, float], ...] = ()
    overridable: tuple[str, ...] = ()
    models: tuple[Model, ...] = ()  # every known model

    @property
    def own_model(self) -> Model | None:
        """The model of the settings; None unless the workflow is executed."""
        return next((model for model in self.models if model.name == self.model), None)

    @property
    def allowed_models(self) -> tuple[Model, ...]:
        """The models that a request can get."""
        return self.models if "model" in self.overridable else tuple(filter(None, [self.own_model]))

    def choices(self, field: str) -> list[str]:
        """The values that a request can choose for one of OVERRIDES. Not every model has every one."""
        if field == "model":
            return [model.name for model in self.allowed_models]
        return list(dict.fromkeys(value for model in self.allowed_models for value in model.choices(field)))


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
