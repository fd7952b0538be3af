"""What becomes of a job for each way in which Wireflow can misbehave: one row a fault of the simulator.

Derived from the contract, "What becomes of a job", and held against the code by test_consequences.py. Where a fault
lasts, the job waits for MAX_QUEUE_HOURS=1: it is tried at once and after 5, 10 and 20 minutes. The simulator honors
idempotency keys, as the guide says of Wireflow; where it does not, an unknown outcome may be paid twice.
"""

from dataclasses import dataclass

from functions.simulator.faults import FAULTS


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """How a job ends. `calls`: of the trigger; `paid`: runs; `marked`: `possibleDuplicate`."""

    status: str
    code: str | None = None
    charged: str | None = None
    retryable: bool | None = None
    calls: int = 1
    paid: int = 1
    marked: bool = False


def succeeds(calls: int = 1, *, marked: bool = False) -> Consequence:
    return Consequence(status="succeeded", calls=calls, marked=marked)


def fails(
    code: str, charged: str, *, retryable: bool, calls: int = 1, paid: int = 1, marked: bool = False
) -> Consequence:
    return Consequence(
        status="failed", code=code, charged=charged, retryable=retryable, calls=calls, paid=paid, marked=marked
    )


def waits(code: str) -> Consequence:
    """The operator must fix it: the job waits, one job is tried now and then, and at the end it fails uncharged."""
    return fails(code, "no", retryable=True, calls=4, paid=0)


WELL = succeeds()
AGAIN = succeeds(calls=2)  # refused, then taken
REPEATED = succeeds(calls=2, marked=True)  # the outcome was unknown, so it was sent again with the same key
UNKNOWN_TWICE = fails("outcome_unknown", "unknown", retryable=True, calls=2, paid=0, marked=True)
CALLERS_FAULT = fails("invalid_request", "no", retryable=False, paid=0)
EXPIRED = fails("image_expired", "yes", retryable=True)
NO_IMAGE = fails("not_an_image", "yes", retryable=False)
TOO_LARGE = fails("image_too_large", "yes", retryable=False)

CONSEQUENCES: dict[str, Consequence] = {
    # The paid call is refused.
    "rate_limited_seconds": AGAIN,
    "rate_limited_date": AGAIN,
    "rate_limited_reset": AGAIN,
    "rate_limited_epoch": AGAIN,
    "replayed_first_answer": AGAIN,
    "unavailable": AGAIN,
    "insufficient_credits": waits("insufficient_credits"),
    "insufficient_credits_typed": waits("insufficient_credits"),
    "workflow_inactive": waits("workflow_inactive"),
    "key_expired": waits("key_refused"),
    "forbidden": waits("key_refused"),
    "not_found": waits("workflow_not_found"),
    "redirect": waits("configuration"),
    "bad_request": CALLERS_FAULT,
    "conflict": CALLERS_FAULT,
    "too_large": CALLERS_FAULT,
    "unprocessable": CALLERS_FAULT,
    # The outcome of the paid call stays unknown.
    "server_error_once": REPEATED,
    "server_error": UNKNOWN_TWICE,
    "html_error": UNKNOWN_TWICE,
    "hang": REPEATED,
    "hang_after_start": REPEATED,
    "cut_in_header": REPEATED,
    "slow_first_byte": REPEATED,
    "no_execution_id": REPEATED,
    # The run.
    "lower_case": WELL,
    "wrapped": WELL,
    "nested": WELL,
    "image_before_end": WELL,
    "same_url_thrice": WELL,
    "several_images": WELL,
    "unknown_status": WELL,
    "missing_status": WELL,
    "stuck": WELL,
    "completed_without_image": fails("completed_without_image", "unknown", retryable=True),
    "moderation": fails("moderation", "no", retryable=False),
    "content_checker": fails("moderation", "no", retryable=False),
    "text_instead_of_image": fails("completed_without_image", "unknown", retryable=True),
    "failed": fails("upstream_error", "no", retryable=True),
    "succeeded_word": WELL,
    "error_word": fails("upstream_error", "no", retryable=True),
    "unknown_final_status": WELL,
    "signed_again": WELL,
    "inline_image": WELL,
    "cancelled": fails("canceled", "unknown", retryable=True),
    "timeout": fails("timed_out", "unknown", retryable=True),
    "never_ends": fails("timed_out", "unknown", retryable=True),
    # The image.
    "cut_in_body": WELL,
    "wrong_content_length": WELL,
    "early_end": WELL,
    "trickle": WELL,
    "blocked_user_agent": WELL,
    "cdn_forbidden": WELL,
    "expired_403": EXPIRED,
    "expired_404": EXPIRED,
    "expired_410": EXPIRED,
    "image_too_large": TOO_LARGE,
    "image_too_large_unannounced": TOO_LARGE,
    "not_an_image": NO_IMAGE,
    "html_instead_of_image": NO_IMAGE,
    "redirect_to_private": fails("copy_failed", "yes", retryable=True),
}

HEAD = (
    "| `[fault:…]` | What Wireflow does | The job | `errorCode` | charged | retryable | calls | paid |",
    "|---|---|---|---|---|---|---|---|",
)


def as_markdown() -> str:
    """The table of functions/simulator/README.md, a row per fault."""
    return "\n".join([*HEAD, *(_row(name, row) for name, row in CONSEQUENCES.items())]) + "\n"


def _row(name: str, row: Consequence) -> str:
    status = f"{row.status}, `possibleDuplicate`" if row.marked else row.status
    code = f"`{row.code}`" if row.code else ""
    retryable = {True: "yes", False: "no", None: ""}[row.retryable]
    cells = (f"`{name}`", FAULTS[name].description, status, code, row.charged or "", retryable, row.calls, row.paid)
    return f"| {' | '.join(map(str, cells))} |"
