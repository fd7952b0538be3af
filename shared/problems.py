"""Errors to callers: RFC 9457 problem documents that say what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from starlette.responses import JSONResponse

# The root README, "Problems", has an anchor for each code.
DOCUMENTATION = "https://github.com/wireflow-images/wireflow-images#problem-"


@dataclass(frozen=True, slots=True)
class Known:
    """A kind of problem: its HTTP status and its title."""

    status: int
    title: str


PROBLEMS = {
    "invalid_json": Known(400, "The body is not JSON"),
    "invalid_form": Known(400, "The form cannot be read"),
    "invalid_event": Known(400, "The event's envelope is broken"),
    "invalid_idempotency_key": Known(400, "The Idempotency-Key is malformed"),
    "token_in_url": Known(400, "A token must not stand in the address"),
    "unauthorized": Known(401, "This needs a credential, and the right one"),
    "forbidden": Known(403, "This is not allowed to this caller"),
    "challenge_failed": Known(403, "The Turnstile check was not passed"),
    "not_found": Known(404, "There is nothing here"),
    "method_not_allowed": Known(405, "This method is not allowed here"),
    "not_cancelable": Known(409, "The job does not wait any more"),
    "source_not_ready": Known(409, "The job whose image is asked for has not succeeded"),
    "image_not_ready": Known(409, "The image is not ready yet"),
    "image_failed": Known(410, "There will be no image"),
    "body_too_large": Known(413, "The body is too large"),
    "unsupported_media_type": Known(415, "The body is of a kind that is not taken"),
    "invalid_field": Known(422, "A field is wrong"),
    "field_not_supported": Known(422, "A field is reserved"),
    "idempotency_key_reused": Known(422, "The Idempotency-Key belongs to another request"),
    "rate_limited": Known(429, "Too many new jobs came from browsers"),
    "check_unavailable": Known(503, "A credential cannot be checked now"),
    "store_unavailable": Known(503, "The store does not answer"),
    "internal_error": Known(500, "Something went wrong here"),
}


class Problem(Exception):
    """Ends a request with an error. `detail` says what to change; `field` names the field that is wrong."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field
        self.headers = dict(headers or {})

    @classmethod
    def wrong(cls, detail: str, field: str | None = None) -> Self:
        """422: a field is wrong."""
        return cls("invalid_field", detail, field=field)

    @classmethod
    def not_allowed(cls, method: str, allowed: Sequence[str]) -> Self:
        """405 with `Allow`."""
        detail = f"{method} is not allowed here; use {' or '.join(allowed)}."
        return cls("method_not_allowed", detail, headers={"Allow": ", ".join(allowed)})

    def document(self) -> dict[str, Any]:
        """RFC 9457, section 3."""
        known = PROBLEMS[self.code]
        document: dict[str, Any] = {
            "type": DOCUMENTATION + self.code.replace("_", "-"),
            "title": known.title,
            "status": known.status,
            "detail": self.detail,
            "errorCode": self.code,
        }
        if self.field is not None:
            document["field"] = self.field
        return document

    def response(self) -> JSONResponse:
        """The problem document as an answer."""
        headers = {"Cache-Control": "no-store", **self.headers}
        status = PROBLEMS[self.code].status
        return JSONResponse(self.document(), status, headers, media_type="application/problem+json")
