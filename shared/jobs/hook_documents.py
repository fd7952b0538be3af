"""Hooks as stored documents and back."""

from collections.abc import Mapping
from typing import Any

from shared.callbacks import CallbackFormat
from shared.hooks import Hook, HookSecret, HookStatus
from shared.jobs.job_documents import decode, encode

MAX_READ = 10_000  # hooks of all callers


def hook_to_document(hook: Hook) -> dict[str, Any]:
    """Return the fields of a hook as they are stored, without id and revision."""
    document = encode(hook)
    del document["id"], document["revision"]
    return document


def hook_from_document(hook_id: str, document: Mapping[str, Any], revision: Any) -> Hook:
    """Return the hook of a stored document."""
    known = decode(Hook, document)
    known["status"], known["format"] = HookStatus(known["status"]), CallbackFormat(known["format"])
    known["events"] = tuple(known["events"])
    known["secrets"] = tuple(HookSecret(**decode(HookSecret, one)) for one in known["secrets"])
    return Hook(**{**known, "id": hook_id, "revision": revision})
