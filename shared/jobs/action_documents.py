"""Bulk actions as stored documents and back."""

import json
from collections.abc import Mapping
from typing import Any

from shared.bulk_action import BulkAction


def action_to_document(action: BulkAction) -> dict[str, Any]:
    """Return a bulk action as it is stored: two JSON texts, since Firestore would index every part of a map."""
    return {
        "fingerprint": action.fingerprint,
        "plan": json.dumps(action.plan, separators=(",", ":")),
        "matched": action.matched,
        "skipped": action.skipped,
        "nextUntil": action.next_until,
        "response": json.dumps(action.response, separators=(",", ":")) if action.response is not None else None,
    }


def action_from_document(action_id: str, document: Mapping[str, Any], revision: Any) -> BulkAction:
    """Return the bulk action of a stored document."""
    response = document.get("response")
    return BulkAction(
        id=action_id,
        fingerprint=document["fingerprint"],
        plan=json.loads(document["plan"]),
        matched=document["matched"],
        skipped=document["skipped"],
        next_until=document.get("nextUntil"),
        response=json.loads(response) if response else None,
        revision=revision,
    )
