"""What a response about a run says of its failure: the vendor's words and codes, wherever they are. Pure."""

from collections.abc import Iterator
from typing import Any

from shared.wireflow import json_paths
from shared.wireflow.json_paths import TEXT_LIMIT

CODES_LIMIT = 20
ERRORS = ("error", "errors", "errorMessage", "error_message", "failureReason", "failure_reason")
# Errors without an error object: `{"message": …}`, `{"detail":[{"msg": …}]}`. Only the latter is one at any depth.
BARE_ERRORS = ("message", "detail", "details")
REASONS = frozenset({"finishReason", "finish_reason", "blockReason", "block_reason"})
CODES = REASONS | {"code", "type", "reason", "status", "errorCode", "error_code", "errorType", "error_type"}


def run_errors(document: Any, *, failed: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return the words and the codes of the errors of the run and its nodes: a refusal may be in a node alone.

    `failed`: the run has failed, so that texts which are otherwise information count as well. The messages of
    diagnostics count only if there are no others.
    """
    errors = list(_errors(document, failed))
    words = dict.fromkeys(message for error in errors for message in json_paths.messages(error))
    if not words:
        diagnostics = json_paths.first(document, {"diagnostics"})
        notes = (json_paths.text(value) for name, value in json_paths.walk(diagnostics) if name == "message")
        words = dict.fromkeys(note for note in notes if note)
    codes = [value for error in errors for name, value in json_paths.leaves(error) if name in CODES]
    codes += [value for name, value in json_paths.walk(document, {"text"}) if name in REASONS]
    known = dict.fromkeys(code[:TEXT_LIMIT] for code in codes if isinstance(code, str))
    return "; ".join(words)[:TEXT_LIMIT] or None, tuple(known)[:CODES_LIMIT]


def _errors(document: Any, failed: bool) -> Iterator[Any]:
    """Yield the error values of the run, then those of its nodes, then those without an error object."""
    parts = list(json_paths.envelopes(document))
    for part in parts:
        yield from (part[name] for name in ERRORS if part.get(name))
    for name, value in json_paths.walk(document, {"text"}):
        nested = failed and name in {"detail", "details"} and isinstance(value, list | dict)
        if value and (name in ERRORS or nested):
            yield value
    if failed:
        for part in parts:
            yield from (part[name] for name in BARE_ERRORS if part.get(name))
