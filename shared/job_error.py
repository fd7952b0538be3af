"""The error of a failed job."""

from dataclasses import dataclass
from typing import Self

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode

MESSAGE_LIMIT = 500  # characters


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed (or will have failed once its images are copied), and whether it cost money."""

    code: ErrorCode
    message: str
    retryable: bool
    charged: Charged
    hint: str
    request_id: str | None = None

    @classmethod
    def of(
        cls,
        code: ErrorCode,
        *,
        charged: Charged,
        message: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
    ) -> Self:
        """Return the error for `code`; `message` (the vendor's words) and `hint` replace the general ones."""
        known = EXPLANATIONS[code]
        words = (message or known.message)[:MESSAGE_LIMIT]
        return cls(code, words, known.retryable, charged, hint or known.hint, request_id)
