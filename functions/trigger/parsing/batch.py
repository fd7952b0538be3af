"""Batches: many requests in one body. The fields beside them are their defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.problems import Problem
from shared.submission import Submission

from .fields import batch_items, present, read_field, with_defaults


@dataclass(frozen=True, slots=True)
class Batch:
    """The validated requests of a batch. The paths are parallel, such as `[3]` or `prompts[3]`."""

    requests: tuple[Submission | Problem, ...]  # a problem only if `partial`
    paths: tuple[str, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch: an element of its array, and the defaults of all elements."""

    index: int
    path: str
    element: Any
    defaults: Mapping[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the request's fields. Problem 422 if the element is not a request."""
        if isinstance(self.element, str):
            return {**self.defaults, "prompt": self.element}
        if not isinstance(self.element, dict):
            raise Problem.wrong("A request of a batch must be a string, or an object with a prompt.")
        fields = present(self.element)
        for name in ("prompts", "token", "dryRun"):  # of the whole batch
            if name in fields:
                raise Problem.wrong(f"{name} is not allowed in a request of a batch. Remove it.", name)
        return with_defaults(fields, self.defaults)

    def locate(self, problem: Problem) -> Problem:
        """Return the problem with the path of its field in the body. A default's field is at the top already."""
        is_string = isinstance(self.element, str)
        own = {"prompt"} if is_string else set(self.element if isinstance(self.element, dict) else ())
        field = problem.field
        if field is None or (field == "prompt" and is_string and self.path.startswith("prompts")):
            field = self.path
        elif field in own or field not in self.defaults:
            field = f"{self.path}.{field}"
        return Problem(problem.code, problem.detail, field=field, headers=problem.headers)


def is_batch(body: dict[str, Any] | list[Any], fields: Mapping[str, Any]) -> bool:
    """Return whether a body, or what its defaults make of it, holds many requests."""
    return isinstance(body, list) or "prompts" in fields


def split_batch(body: dict[str, Any] | list[Any], fields: Mapping[str, Any]) -> Iterator[BatchItem]:
    """Split a batch into its requests. `fields`: those beside them. Problem 422 if the array is invalid."""
    if not isinstance(body, list):
        prefix, elements = "prompts", read_field("prompts", fields)
    elif "prompts" in fields:
        raise Problem.wrong("The request body is a batch already. Remove prompts from the query.", "prompts")
    else:
        prefix, elements = "", batch_items(None, body)
    # The idempotency key names the batch; each request takes its own key from it.
    defaults = {name: value for name, value in fields.items() if name not in {"prompts", "idempotencyKey"}}
    return (BatchItem(index, f"{prefix}[{index}]", element, defaults) for index, element in enumerate(elements))
