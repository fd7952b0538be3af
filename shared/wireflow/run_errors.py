"""What a response about a run says of its failure: the vendor's words and codes, wherever they are. Pure."""

from collections.abc import Iterator
from typing import Any

from shared.wireflow import json_paths
from shared.wireflow.json_paths import TEXT_LIMIT

CODES_LIMIT, CODE_LIMIT, CODE_WORDS = 20, 100, 3  # a longer code is a text, which may quote the prompt
ERRORS = tuple(
    "error errors errorMessage error_message errorDetails error_details failure failureReason failure_reason "
    "failureMessage failure_message exception lastError last_error".split()
)
# Errors without an error object: `{"message": …}`, `{"detail":[{"msg": …}]}`, of the run or of a node that has failed.
BARE_ERRORS = ("message", "msg", "detail", "details", "reason", "statusMessage", "status_message")
FAILED = frozenset({"FAILED", "ERROR", "FAILURE"})
REASONS = frozenset({"finishReason", "finish_reason", "blockReason", "block_reason"})
CODES = REASONS | frozenset(
    "code type reason status errorCode error_code errorType error_type failureCode failure_code".split()
)


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
    known = dict.fromkeys(code for code in codes if isinstance(code, str) and _is_code(code))
    return "; ".join(words)[:TEXT_LIMIT] or None, tuple(known)[:CODES_LIMIT]


def failed_node_error(document: Any) -> str | None:
    """Return the words of the nodes that have failed, which say why a run has no image even if it is COMPLETED."""
    nodes = [node for node in json_paths.objects(document, {"text"}) if _has_failed(node)]
    named = [value for node in nodes for name, value in json_paths.walk(node, {"text"}) if name in ERRORS and value]
    values = named or [node[name] for node in nodes for name in BARE_ERRORS if node.get(name)]
    words = dict.fromkeys(message for value in values for message in json_paths.messages(value))
    return "; ".join(words)[:TEXT_LIMIT] or None


def _is_code(text: str) -> bool:
    return len(text) <= CODE_LIMIT and 0 < len(text.split()) <= CODE_WORDS


def _errors(document: Any, failed: bool) -> Iterator[Any]:
    """Yield the error values of the run, then those of its nodes, then those without an error object."""
    parts = list(json_paths.envelopes(document))
    for part in parts:
        yield from (part[name] for name in ERRORS if part.get(name))
    for name, value in json_paths.walk(document, {"text"}):
        nested = failed and name in {"detail", "details"} and isinstance(value, list | dict)
        if value and (name in ERRORS or nested):
            yield value
    nodes = [node for node in json_paths.objects(document, {"text"}) if _has_failed(node)]
    for part in [*(parts if failed else ()), *nodes]:
        yield from (part[name] for name in BARE_ERRORS if part.get(name))


def _has_failed(node: dict[str, Any]) -> bool:
    status = node.get("status")
    return isinstance(status, str) and status.strip().upper() in FAILED
