"""Errors to callers: RFC 9457 problem documents that say what to change."""

from collections.abc import Mapping, Sequence
from typing import Self

from starlette.responses import JSONResponse

# README, "Problems": one heading for each code.
DOCUMENTATION = "https://github.com/wireflow-images/wireflow-images#problem-"

TITLES = {
    "invalid_json": "The body is not JSON",
    "invalid_idempotency_key": "The Idempotency-Key is malformed",
    "not_found": "There is nothing here",
    "method_not_allowed": "This method is not allowed here",
    "not_cancelable": "The job does not wait any more",
    "image_not_ready": "The image is not ready yet",
    "image_failed": "There will be no image",
    "body_too_large": "The body is too large",
    "unsupported_media_type": "The body must be JSON",
    "invalid_field": "A field is wrong",
    "field_not_supported": "A field is reserved",
    "idempotency_key_reused": "The Idempotency-Key belongs to another request",
    "store_unavailable": "The store does not answer",
    "internal_error": "Something went wrong here",
}


class Problem(Exception):
    """Ends a request with an error. `detail` says what to change; `field` names the field that is wrong."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.field = status, code, detail, field
        self.headers = dict(headers or {})

    @classmethod
    def not_allowed(cls, method: str, allowed: Sequence[str]) -> Self:
        """405 with `Allow`."""
        detail = f"{method} is not allowed here; use {' or '.join(allowed)}."
        return cls(405, "method_not_allowed", detail, headers={"Allow": ", ".join(allowed)})

    def response(self) -> JSONResponse:
        """The problem document."""
        document = {
            "type": DOCUMENTATION + self.code.replace("_", "-"),
            "title": TITLES[self.code],
            "status": self.status,
            "detail": self.detail,
            "errorCode": self.code,
        }
        if self.field is not None:
            document["field"] = self.field
        headers = {"Cache-Control": "no-store", **self.headers}
        return JSONResponse(document, self.status, headers, media_type="application/problem+json")
