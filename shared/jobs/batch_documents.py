"""Batches as stored documents and back, and what is read of their jobs."""

from collections.abc import Mapping
from typing import Any

from shared.batches import Batch, BatchRow
from shared.job_states import Status
from shared.jobs.job_documents import cost_from_document, decode, encode, stored_names

BATCH_ROW_FIELDS = [name for name in stored_names(BatchRow).values() if name != "id"]


def batch_to_document(batch: Batch) -> dict[str, Any]:
    """Return the fields of a batch as they are stored, without id and revision."""
    document = encode(batch)
    del document["id"], document["revision"]
    return document


def batch_from_document(batch_id: str, document: Mapping[str, Any], revision: Any) -> Batch:
    """Return the batch of a stored document. Unknown fields are ignored, missing ones have their default."""
    known = decode(Batch, document)
    if known.get("estimated_cost"):
        known["estimated_cost"] = cost_from_document(known["estimated_cost"])
    return Batch(**{**known, "id": batch_id, "revision": revision})


def batch_row_from_document(job_id: str, document: Mapping[str, Any], _revision: Any) -> BatchRow:
    """Return what a batch has read of a job."""
    known = decode(BatchRow, document)
    if known.get("cost"):
        known["cost"] = cost_from_document(known["cost"])
    return BatchRow(**{**known, "id": job_id, "status": Status(known["status"])})
