"""Errors of calls to Wireflow, grouped by what they mean for the job and by who can fix them.

WireflowError
├── Refused                  nothing was started; the job waits, or fails if the caller must fix the request
│   ├── RequestRefused       fixed by the caller: 400, 413, 422, 415 for an upload, 409 on the first call
│   │   └── KeyConflict      409; on a retry, the first call may have started a run
│   ├── OperatorMustAct      fixed by the operator: credits, API key, workflow, base URL; `scope`: whose jobs
│   │   ├── OutOfCredits     402, with the amounts that Wireflow reports
│   │   └── Redirected       3xx; the message names the new place
│   ├── RateLimited          429; try again later
│   └── Unavailable          503, a request that was never sent, or a free call that failed; try again later
├── OutcomeUnknown           the request was sent and got no clear response; a run may have started
│   └── NoExecutionId        2xx without an execution id
└── PollError                the state of the run is not known; poll again
    ├── RunNotFound          404
    ├── PollRateLimited      429
    └── UnusableResponse     2xx that says nothing about the run: not JSON, or about another run
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from shared.error_codes import ErrorCode


class Scope(StrEnum):
    """Whose jobs a refusal concerns, as far as the response itself shows. Trials with other jobs may narrow it."""

    WORKFLOW = "workflow"  # those of the same workflow: 402, 404, 410, 400 for an inactive workflow
    ACCOUNT = "account"  # all: 401, 3xx; and what may be anything, such as a firewall's 403


class WireflowError(Exception):
    """Base class. `code` is for the job, `request_id` for Wireflow support, `retry_at` the time Wireflow asked for.

    `http_status`: of the response, None if there was none.
    """

    code = ErrorCode.UPSTREAM_ERROR

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        request_id: str | None = None,
        retry_at: datetime | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.request_id = request_id
        self.retry_at = retry_at
        self.http_status = http_status


class Refused(WireflowError):
    """Nothing was started and nothing was charged."""


class RequestRefused(Refused):
    """Wireflow rejects this request; the same request will be rejected again."""

    code = ErrorCode.INVALID_REQUEST


class KeyConflict(RequestRefused):
    """409: Wireflow has seen the idempotency key before."""


class OperatorMustAct(Refused):
    """Requests within `scope` fail until the operator fixes the account, API key, workflow, or base URL."""

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
    """402. `required` and `available` are credits (1 credit = $0.01), or None if Wireflow does not report them."""

    code = ErrorCode.INSUFFICIENT_CREDITS
    required: float | None = None
    available: float | None = None


class Redirected(OperatorMustAct):
    """3xx. The message is ours: it names the new place, without the path, which may contain the webhook id."""


class RateLimited(Refused):
    """429: too many requests or executions; `retry_at` is always set."""

    code = ErrorCode.RATE_LIMITED


class Unavailable(Refused):
    """503, connection refused, DNS or TLS failure: the request was not accepted. Also any failure of a free call."""

    code = ErrorCode.UPSTREAM_UNREACHABLE


class OutcomeUnknown(WireflowError):
    """The request was sent; whether it started a run is not known."""

    code = ErrorCode.OUTCOME_UNKNOWN


class NoExecutionId(OutcomeUnknown):
    """Wireflow accepted the call but returned no execution id."""


class PollError(WireflowError):
    """A poll failed. It never ends a job on its own: the run may have been charged.

    `rate_limit`: the rate limit headers of the response, as in RunResponse.
    """

    rate_limit: Mapping[str, int] = MappingProxyType({})


class RunNotFound(PollError):
    """404 for an execution id."""


class PollRateLimited(PollError):
    """429 on a poll; `retry_at` is always set."""

    code = ErrorCode.RATE_LIMITED


class UnusableResponse(PollError):
    """A 2xx that says nothing about the run. Its message is a sentence for callers: every response may be like it.

    `raw`: the beginning of the body.
    """

    raw = ""
