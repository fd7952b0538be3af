"""The request of `run`: what its options and fields become, and its check before anything starts."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from functions.cli.errors import RequestRejected, SetupError, rejection
from functions.cli.input_image import ImageFile, InputImage
from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.fields import is_text_field, read_text_fields
from functions.trigger.parsing.validate import validate, wireflow_fields
from functions.trigger.routes.workflows import find_workflow
from shared.config import Config
from shared.problems import Problem
from shared.workflows import FieldRefused, Model, check_fields

# Fields that have an argument or an option of their own.
OPTIONS = {"prompt": "the argument PROMPT", "workflow": "--workflow", "image1": "--image", "fromJob": "--image"}
# Fields of ours that --field may set. The others are credentials, or change what the response is.
SETTABLE = ("allowPartial", "altText", "deadlineSeconds", "fromImage", "image2", "image3", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What `run` requests. `fields`: names and values, as text."""

    prompt: str
    workflow: str | None = None
    image: InputImage | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def overrides(self) -> dict[str, str]:
        """The fields with options of their own that Wireflow interprets, not we."""
        values = {"aspect_ratio": self.aspect_ratio, "resolution": self.resolution}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def file(self) -> ImageFile | None:
        """The input image, if it is a file."""
        return self.image.file if self.image else None

    @property
    def texts(self) -> list[tuple[str, str]]:
        """All fields except the file, as a form has them."""
        named = {"prompt": self.prompt, **({"workflow": self.workflow} if self.workflow is not None else {})}
        image = self.image.fields if self.image else {}
        return [*{**named, **self.overrides, **image}.items(), *self.fields]

    @property
    def json(self) -> dict[str, Any]:
        """The same as JSON. Raises Problem 422 for a text that is no value of its field."""
        return read_text_fields(self.texts)


def check_request(request: RunRequest, config: Config, models: Collection[Model]) -> None:
    """Check everything that can be checked without a server. `models`: the known ones.

    Raises SetupError for an option that is not allowed, and RequestRejected as the trigger would reject the request.
    """
    _check_encoding(request)
    for fault in (*_field_faults(request), *_override_faults(request, models)):
        raise SetupError(fault)
    caller, files = Caller(CallerKind.OPEN), {"image1": request.file.content} if request.file else {}
    try:
        fields = request.json
        submission = validate(fields, files, None, caller, config)
        workflow = find_workflow(submission.workflow, caller, config)
        check_fields(workflow, wireflow_fields(fields, caller), images=submission.image_count)
    except Problem as problem:
        raise RequestRejected(rejection(problem.detail, problem.field)) from problem
    except FieldRefused as refused:
        raise RequestRejected(rejection(str(refused), refused.field)) from refused


def _check_encoding(request: RunRequest) -> None:
    """Bytes of the command line that are not UTF-8 arrive as halves of characters."""
    try:
        "".join(f"{name}{text}" for name, text in request.texts).encode()
    except UnicodeEncodeError:
        raise SetupError("The prompt and the fields must be valid UTF-8.") from None


def _field_faults(request: RunRequest) -> Iterator[str]:
    for name, _ in request.fields:
        if name in OPTIONS:
            yield f"--field {name}: use {OPTIONS[name]} instead."
        elif is_text_field(name) and name.partition(".")[0] not in SETTABLE:
            yield f"--field {name}: `run` cannot send this field."
        elif request.overrides.get(name):
            yield f"--field {name}: --{name.replace('_', '-')} sets the same field. Leave one of them out."


def _override_faults(request: RunRequest, models: Collection[Model]) -> Iterator[str]:
    """Check the values even of a webhook, which accepts any: a wrong one would cost money and have no effect."""
    for name, value in request.overrides.items():
        known = dict.fromkeys(choice for model in models for choice in model.choices(name))
        if value not in known:
            yield f"--{name.replace('_', '-')}: no model has {value!r}. The models have {', '.join(known)}."
