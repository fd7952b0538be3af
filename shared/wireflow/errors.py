"""What can go wrong at Wireflow, split by what it means for the job and by who can mend it.

WireflowError
├── Refused                  nothing was started; the job waits, or failed if the caller must mend it
│   ├── RequestRefused       the caller: 400, 413, 422, 415 of an upload, 409 on a first sending
│   │   └── KeyConflict      409: on a repetition it means that the first sending may live
│   ├── OperatorMustAct      the operator: credits, key, workflow, address; `scope`: whose jobs it concerns
│   │   └── OutOfCredits     402, with Wireflow's figures
│   ├── RateLimited          nobody, later: 429
│   └── Unavailable          the vendor, later: 503, the request never left, or it cost nothing
├── OutcomeUnknown           it was sent and not answered clearly; a run may have started
│   └── NoExecutionId        a 2xx without an id: an answer, but not one we understand
└── PollError                where a run stands could not be told; ask again
    ├── RunNotFound          404: Wireflow does not know the run
    └── PollRateLimited      429
"""

from datetime import datetime
from enum import StrEnum

from shared.error_codes import ErrorCode


class Scope(StrEnum):
    """Whose jobs a refusal concerns, as far as the response itself shows. Trials with other jobs may narrow it."""

    WORKFLOW = "workflow"  # those of the same workflow: 402, 404, 410, 400 for an inactive workflow
    ACCOUNT = "account"  # all: 401, 3xx; and what may be anything, such as a firewall's 403


class WireflowError(Exception):
    """`code` for the job, `request_id` for the vendor's support, `retry_at` if the vendor named a time."""

    code = ErrorCode.UPSTREAM_ERROR

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        request_id: str | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.request_id = request_id
        self.retry_at = retry_at


class Refused(WireflowError):
    """Nothing was started and nothing paid."""


class RequestRefused(Refused):
    """Wireflow will not take this request as it is."""

    code = ErrorCode.INVALID_REQUEST


class KeyConflict(RequestRefused):
    """409: Wireflow knows the idempotency key from another sending."""


class OperatorMustAct(Refused):
    """Requests within `scope` will be refused until the operator fixes the account, key, workflow, or address."""

    code = ErrorCode.CONFIGURATION

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        request_id: str | None = None,
        scope: Scope = Scope.ACCOUNT,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.scope = scope


class OutOfCredits(OperatorMustAct):
    """402. `required` and `available` are credits (1 credit = $0.01), where Wireflow says them."""

    code = ErrorCode.INSUFFICIENT_CREDITS
    required: float | None = None
    available: float | None = None


class RateLimited(Refused):
    """429: too many requests or executions; `retry_at` is always set."""

    code = ErrorCode.RATE_LIMITED


class Unavailable(Refused):
    """503, connection refused, DNS or TLS: the request was not taken; or a call that costs nothing was not answered."""

    code = ErrorCode.UPSTREAM_UNREACHABLE


class OutcomeUnknown(WireflowError):
    """The request was sent; whether a run was started, nobody here knows."""

    code = ErrorCode.OUTCOME_UNKNOWN


class NoExecutionId(OutcomeUnknown):
    """Wireflow accepted the call and named no execution."""


class PollError(WireflowError):
    """Never the end of a job by itself: the image may be paid for."""


class RunNotFound(PollError):
    """404 for an execution id."""


class PollRateLimited(PollError):
    """429 on a poll; `retry_at` is always set."""

    code = ErrorCode.RATE_LIMITED
