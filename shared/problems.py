"""Error responses: RFC 9457 problem documents that say what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from starlette.responses import JSONResponse

# The root README, "Problems", has an anchor for each code.
DOCUMENTATION = "https://github.com/wireflow-images/wireflow-images#problem-"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """The HTTP status and the title of a problem."""

    status: int
    title: str


PROBLEMS = {
    "invalid_json": ProblemType(400, "Invalid JSON"),
    "invalid_form": ProblemType(400, "Invalid form data"),
    "invalid_event": ProblemType(400, "Invalid event"),
    "invalid_idempotency_key": ProblemType(400, "Invalid Idempotency-Key"),
    "token_in_url": ProblemType(400, "Tokens are not accepted in the URL"),
    "unauthorized": ProblemType(401, "Missing or invalid credentials"),
    "forbidden": ProblemType(403, "Forbidden"),
    "challenge_failed": ProblemType(403, "Turnstile check failed"),
    "not_found": ProblemType(404, "Not found"),
    "method_not_allowed": ProblemType(405, "Method not allowed"),
    "not_cancelable": ProblemType(409, "The job cannot be canceled"),
    "not_erasable": ProblemType(409, "The job cannot be erased"),
    "not_retryable": ProblemType(409, "The job cannot be retried"),
    "not_recopyable": ProblemType(409, "The images cannot be copied again"),
    "input_gone": ProblemType(409, "The input image is no longer stored"),
    "source_not_ready": ProblemType(409, "The source job has not succeeded"),
    "image_not_ready": ProblemType(409, "The image is not ready"),
    "image_failed": ProblemType(410, "The image is not available"),
    "erased": ProblemType(410, "The job was erased"),
    "body_too_large": ProblemType(413, "Request body too large"),
    "unsupported_media_type": ProblemType(415, "Unsupported media type"),
    "range_not_satisfiable": ProblemType(416, "Range not satisfiable"),
    "invalid_field": ProblemType(422, "Invalid field"),
    "idempotency_key_reused": ProblemType(422, "Idempotency key reused"),
    "job_failed": ProblemType(422, "The job failed"),
    "rate_limited": ProblemType(429, "Too many requests"),
    "check_unavailable": ProblemType(503, "Credentials cannot be verified"),
    "store_unavailable": ProblemType(503, "Storage unavailable"),
    "internal_error": ProblemType(500, "Internal error"),
}


class Problem(Exception):
    """An error response to the caller.

    `detail` says what to change; `field` names the invalid field; `members` are further members of the document.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    @classmethod
    def wrong(cls, detail: str, field: str | None = None) -> Self:
        """Return a 422 for an invalid field."""
        return cls("invalid_field", detail, field=field)

    @classmethod
    def not_allowed(cls, method: str, allowed: Sequence[str], hint: str = "") -> Self:
        """Return a 405 with the `Allow` header. `hint`: a further sentence, after a space."""
        detail = f"This URL does not support {method}. Use {' or '.join(allowed)}.{hint}"
        return cls("method_not_allowed", detail, headers={"Allow": ", ".join(allowed)})

    def document(self) -> dict[str, Any]:
        """Return the problem document: RFC 9457, section 3."""
        problem_type = PROBLEMS[self.code]
        document: dict[str, Any] = {
            "type": DOCUMENTATION + self.code.replace("_", "-"),
            "title": problem_type.title,
            "status": problem_type.status,
            "detail": self.detail,
            "errorCode": self.code,
        }
        if self.field is not None:
            document["field"] = self.field
        return document | self.members

    def response(self) -> JSONResponse:
        """Return the HTTP response."""
        headers = {"Cache-Control": "no-store", **self.headers}
        status = PROBLEMS[self.code].status
        return JSONResponse(self.document(), status, headers, media_type="application/problem+json")
