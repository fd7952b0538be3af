"""What each published response means: as a response to the paid call, and to a poll.

From the contract's tables and the rules of the vendor's notes, not from what the code happens to do.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.error_codes import ErrorCode
from shared.job_parts import Step
from shared.ports import RunState
from shared.wireflow import errors
from shared.workflows import NodeInput

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AT_FIVE_PAST = NOW + timedelta(minutes=5)
CDN = "https://cdn.wireflow.ai/outputs/"
ATOMU = "https://cdn.atomu.ai/outputs/"


@dataclass(frozen=True, kw_only=True)
class Means:
    """`started`: the execution id, for the paid call. `state`, `images` …: for a poll."""

    started: str | None = None
    trigger: type[errors.WireflowError] | None = None  # what the paid call raises instead
    code: ErrorCode | None = None
    retry_at: datetime | None = None
    state: RunState | None = None
    images: tuple[str, ...] = ()
    says: str | None = None
    moderated: bool = False
    credits: float | None = None
    required: tuple[float, float] | None = None  # credits: required and available
    poll: type[errors.PollError] | None = None
    news: tuple[str, ...] = field(default=())


def starts(execution_id: str, state: RunState | None = None, *images: str) -> Means:
    return Means(started=execution_id, state=state, images=images)


def run(state: RunState, *images: str, says: str | None = None, moderated: bool = False, **more: float) -> Means:
    return Means(state=state, images=images, says=says, moderated=moderated, credits=more.get("credits"))


def refused(
    kind: type[errors.Refused],
    code: ErrorCode,
    says: str,
    *,
    retry_at: datetime | None = None,
    poll: type[errors.PollError] = errors.PollError,
    required: tuple[float, float] | None = None,
) -> Means:
    return Means(trigger=kind, code=code, says=says, retry_at=retry_at, poll=poll, required=required)


def unknown(says: str) -> Means:
    return Means(trigger=errors.OutcomeUnknown, code=ErrorCode.OUTCOME_UNKNOWN, says=says, poll=errors.PollError)


def limited(at: datetime, says: str = "Too many workflow executions. Please try again later.") -> Means:
    kind, code = errors.RateLimited, ErrorCode.RATE_LIMITED
    return refused(kind, code, says, retry_at=at, poll=errors.PollRateLimited)


def moved(status: int) -> Means:
    says = f"Wireflow responded with HTTP {status}, a redirect to https://www.wireflow.ai. "
    says += "Set WIREFLOW_BASE_URL to the final URL."
    return refused(errors.Redirected, ErrorCode.CONFIGURATION, says)


S = RunState
OPERATOR = errors.OperatorMustAct
BROKE = "The provider answered with an error"
SHORT = "Insufficient credits. Required: 10, Available: 3"
NOTHING = Means()  # no start, no status, no image

EXPECTATIONS: dict[str, Means] = {
    "trigger/flat": starts("exec_456", S.QUEUED),
    "trigger/wrapped": starts("exec_457", S.RUNNING),
    "trigger/nested-lower-case": starts("exec_458", S.RUNNING),
    "run/upper-case": starts("exec_459", S.RUNNING),
    "run/lower-case": starts("exec_460", S.RUNNING),
    "execute/batch": starts("exec_456", S.RUNNING, ATOMU + "early.png"),
    "execute/flat": starts("exec_461", S.RUNNING),
    "execute/stale-upstream": starts("exec_456", S.RUNNING),
    "execute/location-only": starts("exec_462"),
    "poll/flat-running": run(S.RUNNING),
    "poll/flat-completed": run(S.COMPLETED, CDN + "a.png"),
    "poll/flat-lower-case": run(S.COMPLETED, CDN + "a.png"),
    "poll/flat-several-images": run(S.COMPLETED, CDN + "a.png", CDN + "b.png", CDN + "c.png"),
    "poll/flat-queued": run(S.QUEUED),
    "poll/flat-pending": run(S.PENDING),
    "poll/flat-in-progress": run(S.IN_PROGRESS),
    "poll/flat-failed": run(S.FAILED, says=BROKE),
    "poll/flat-failed-lower-case": run(S.FAILED, says=BROKE),
    "poll/flat-cancelled": run(S.CANCELLED),
    "poll/flat-timeout": run(S.TIMEOUT),
    "poll/output-url": run(S.COMPLETED, CDN + "a.webp"),
    "poll/output-string": run(S.COMPLETED, CDN + "a.jpg"),
    "poll/wrapped-completed": run(S.COMPLETED, CDN + "a.png"),
    "poll/wrapped-running": run(S.RUNNING),
    "poll/wrapped-lower-case": run(S.COMPLETED, CDN + "a.png"),
    "poll/node-states-running": run(S.RUNNING),
    "poll/node-states-completed": run(S.COMPLETED, CDN + "a.png", CDN + "b.png"),
    "poll/node-states-and-outputs": run(S.RUNNING, CDN + "a.png"),
    "poll/node-states-output-url-only": run(S.COMPLETED, CDN + "a.png"),
    "poll/moderation": run(S.FAILED, says="Request was rejected by the provider's content moderation", moderated=True),
    "poll/text-only": run(S.COMPLETED),
    "poll/completed-without-image": run(S.COMPLETED),
    "poll/same-url-three-times": run(S.COMPLETED, CDN + "a.png"),
    "poll/execution-runs-running": run(S.RUNNING, ATOMU + "early.png"),
    "poll/execution-runs-completed": run(S.COMPLETED, ATOMU + "a.png"),
    "poll/execution-runs-half-done": run(S.RUNNING, CDN + "a.png"),
    "poll/execution-runs-nested-lower-case": run(S.COMPLETED, CDN + "a.png"),
    "poll/outputs-url": run(S.COMPLETED, CDN + "a.jpg"),
    "poll/outputs-urls": run(S.COMPLETED, CDN + "a.jpg", CDN + "b.jpg"),
    "poll/diagnostics": run(S.FAILED, says="A wired media port resolved to empty."),
    "details/running": run(S.RUNNING),
    "details/completed": run(S.COMPLETED, CDN + "a.png", credits=13),
    "details/wrapped": run(S.COMPLETED, CDN + "a.png"),
    "details/failed-silently": run(S.FAILED, says="Out of memory"),
    "health/active": NOTHING,
    "inputs/described": NOTHING,
    "inputs/every-type": NOTHING,
    "estimate/complete": NOTHING,
    "estimate/lower-bound": NOTHING,
    "upload/hosted": NOTHING,
    "error/400-missing-fields": refused(
        errors.RequestRefused, ErrorCode.INVALID_REQUEST, "Missing required fields: name, nodes, edges"
    ),
    "error/400-inactive": refused(OPERATOR, ErrorCode.WORKFLOW_INACTIVE, "Workflow is not active"),
    "error/400-typed": refused(errors.RequestRefused, ErrorCode.INVALID_REQUEST, "At least one node must be provided"),
    "error/400-typed-inactive": refused(OPERATOR, ErrorCode.WORKFLOW_INACTIVE, "Workflow is not active"),
    "error/401-missing": refused(OPERATOR, ErrorCode.KEY_REFUSED, "Missing Authorization header"),
    "error/401-malformed": refused(OPERATOR, ErrorCode.KEY_REFUSED, "Invalid API key format. Expected: Bearer sk-..."),
    "error/401-invalid": refused(OPERATOR, ErrorCode.KEY_REFUSED, "Invalid API key"),
    "error/401-expired": refused(OPERATOR, ErrorCode.KEY_REFUSED, "API key has expired"),
    "error/401-typed": refused(OPERATOR, ErrorCode.KEY_REFUSED, "Invalid API key"),
    "error/403": refused(OPERATOR, ErrorCode.KEY_REFUSED, "Forbidden"),
    "error/404-workflow": refused(
        OPERATOR, ErrorCode.WORKFLOW_NOT_FOUND, "Workflow not found", poll=errors.RunNotFound
    ),
    "error/404-execution": refused(
        OPERATOR, ErrorCode.WORKFLOW_NOT_FOUND, "Execution not found", poll=errors.RunNotFound
    ),
    "error/409-typed": refused(errors.KeyConflict, ErrorCode.INVALID_REQUEST, "The workflow was changed meanwhile"),
    "error/413": refused(errors.RequestRefused, ErrorCode.INVALID_REQUEST, "Request body is too large"),
    "error/422-invalid-graph": refused(
        errors.RequestRefused, ErrorCode.INVALID_REQUEST, "Workflow graph failed validation (1 errors)."
    ),
    "error/500": unknown("Internal server error"),
    "error/500-typed": unknown("Something went wrong"),
    "error/502-html": unknown("Wireflow responded with HTTP 502."),
    "error/503": refused(
        errors.Unavailable,
        ErrorCode.UPSTREAM_UNREACHABLE,
        "Service unavailable",
        retry_at=NOW + timedelta(seconds=120),
    ),
    "error/301-to-www": moved(301),
    "error/308-to-www": moved(308),
    "credits/402-amounts": refused(errors.OutOfCredits, ErrorCode.INSUFFICIENT_CREDITS, SHORT, required=(10, 3)),
    "credits/402-typed": refused(errors.OutOfCredits, ErrorCode.INSUFFICIENT_CREDITS, SHORT, required=(10, 3)),
    "rate/429-seconds-and-epoch": limited(NOW + timedelta(seconds=42)),
    "rate/429-epoch-in-body": limited(AT_FIVE_PAST),
    "rate/429-reset-only": limited(AT_FIVE_PAST, "Too many requests. Please try again later."),
    "rate/429-date": limited(AT_FIVE_PAST),
    "rate/429-typed": limited(NOW + timedelta(seconds=42)),
    "rate/429-silent": limited(NOW + timedelta(seconds=30)),
}

# The steps, for responses that describe nodes.
PRO = "Nano Banana Pro"
STEPS: dict[str, tuple[Step, ...]] = {
    "poll/node-states-running": (
        Step(label="Prompt", status="COMPLETED"),
        Step(label=PRO, status="RUNNING", progress=40),
    ),
    "poll/node-states-completed": (Step(label=PRO, status="COMPLETED", progress=100),),
    "poll/node-states-and-outputs": (
        Step(label=PRO, status="COMPLETED", progress=100),
        Step(status="RUNNING", progress=12.5),
        Step(status="COMPLETED"),
    ),
    "poll/moderation": (Step(label=PRO, status="FAILED"),),
    "poll/outputs-urls": (Step(label="Image", status="COMPLETED"),),
    "poll/flat-completed": (Step(status="COMPLETED"),),
    "poll/flat-lower-case": (Step(status="COMPLETED"),),
    "poll/wrapped-completed": (Step(status="COMPLETED"),),
    "poll/execution-runs-running": (Step(status="COMPLETED"),),
    "poll/flat-queued": (),
}

# An input with a default is not required, whatever `required` says.
INPUTS: dict[str, tuple[NodeInput, ...]] = {
    "inputs/described": (
        NodeInput(node_id="input-1", label="Prompt", kind="text"),
        NodeInput(node_id="input-2", label="Reference", kind="image"),
    ),
    "inputs/every-type": (
        NodeInput(node_id="input-1", label="Prompt", kind="text", required=True),
        NodeInput(node_id="input-2", label="Reference", kind="image"),
        NodeInput(node_id="input-3", label="Page", kind="url"),
        NodeInput(node_id="input-4", label="Seed", kind="number"),
        NodeInput(node_id="input-5", label="Upscale", kind="boolean"),
        NodeInput(node_id="input-6", label="Style", kind="select"),
    ),
}
