"""The usage as it is read from jobs, and as closed days are stored."""

import json
from collections.abc import Mapping
from typing import Any

from shared.error_codes import Charged, ErrorCode
from shared.job_states import FINAL, Status
from shared.spending.money import Cost, CostSource, total_cost
from shared.spending.usage import Tally, UsageDay, UsageRow, UsageVersions

# What a query for the usage reads of a job.
USAGE_FIELDS = ("createdAt", "caller", "workflow", "status", "images", "cost", "earlierCost", "error", "lateLookDone")


def usage_row(job_id: str, document: Mapping[str, Any], _revision: Any) -> UsageRow:
    """Return what the usage needs of a stored job."""
    status, error = Status(document["status"]), document.get("error") or {}
    may_be_rescued = error.get("code") == ErrorCode.TIMED_OUT and not document.get("lateLookDone")
    return UsageRow(
        id=job_id,
        created_at=document["createdAt"],
        caller=document.get("caller"),
        workflow=document.get("workflow") or "default",
        images=sum(bool(image.get("name")) for image in document.get("images") or ()),
        cost=_known_cost(document) if status in FINAL else None,
        charged=Charged(error["charged"]) if status is Status.FAILED and error else None,
        settled=status in FINAL and not may_be_rescued,
    )


def versions_to_document(versions: UsageVersions) -> dict[str, Any]:
    """Return the versions of days as they are stored: JSON text, as above."""
    return {"days": json.dumps(versions.days, separators=(",", ":"))}


def versions_from_document(document: Mapping[str, Any], revision: Any) -> UsageVersions:
    """Return the versions of days."""
    return UsageVersions(json.loads(document["days"]), revision)


def _known_cost(document: Mapping[str, Any]) -> Cost | None:
    """Return what all attempts of a job have cost, as far as it is known."""
    known = [cost for name in ("cost", "earlierCost") if (cost := _cost(document.get(name)))]
    return total_cost(known) if known else None


def usage_to_document(usage: UsageDay) -> dict[str, Any]:
    """Return a closed day as it is stored: JSON text, since Firestore would index every part of a map."""
    rows = [
        {
            "caller": caller,
            "workflow": workflow,
            "jobs": tally.jobs,
            "images": tally.images,
            "cost": tally.cost and {"micros": tally.cost.micros, "source": str(tally.cost.source)},
            "failedCharged": tally.failed_charged,
            "failedUncharged": tally.failed_uncharged,
            "failedUnknown": tally.failed_unknown,
        }
        for (caller, workflow), tally in usage.tallies.items()
    ]
    return {"day": usage.day, "rows": json.dumps(rows, separators=(",", ":"))}


def usage_from_document(document: Mapping[str, Any]) -> UsageDay:
    """Return a closed day."""
    tallies = {
        (row["caller"], row["workflow"]): Tally(
            jobs=row["jobs"],
            images=row["images"],
            cost=_cost(row["cost"]),
            failed_charged=row["failedCharged"],
            failed_uncharged=row["failedUncharged"],
            failed_unknown=row["failedUnknown"],
        )
        for row in json.loads(document["rows"])
    }
    return UsageDay(document["day"], tallies)


def _cost(document: Mapping[str, Any] | None) -> Cost | None:
    return Cost(micros=document["micros"], source=CostSource(document["source"])) if document else None
