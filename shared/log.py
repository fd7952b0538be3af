"""Structured logs: one JSON object per line on standard output, for the fields, alerts, and dashboard of Cloud Logging.

Lines are printed, because the framework replaces the loggers of an async function after importing it.
https://cloud.google.com/logging/docs/structured-logging
"""

import json
import logging
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

_ENCODER = json.JSONEncoder(default=str)


class Event(StrEnum):
    """The event that a line reports. Alerts and the dashboard filter by these names."""

    JOB_ACCEPTED = "job_accepted"
    JOB_STARTED = "job_started"
    JOB_STORED = "job_stored"
    JOB_FAILED = "job_failed"
    JOB_CANCELED = "job_canceled"
    JOB_ERASED = "job_erased"
    JOB_RETRIED = "job_retried"
    JOB_RECOPIED = "job_recopied"
    JOB_REDELIVERED = "job_redelivered"
    WINDOW = "window"
    UPSTREAM_REFUSED = "upstream_refused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    UNKNOWN_SHAPE = "unknown_shape"
    GATE_CLOSED = "gate_closed"
    GATE_OPENED = "gate_opened"
    SPEND_LIMIT = "spend_limit"
    CONFIGURATION = "configuration"
    INTERNAL_ERROR = "internal_error"
    CALLBACK_DELIVERED = "callback_delivered"
    CALLBACK_FAILED = "callback_failed"
    CALLBACK_UNDELIVERED = "callback_undelivered"
    REQUEST_REJECTED = "request_rejected"


class Log:
    """Writes log lines to `stream`; the default is the standard output at the time of writing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream

    def info(self, event: Event, message: str, **fields: Any) -> None:
        """Log something expected."""
        self._write("INFO", event, message, fields)

    def warning(self, event: Event, message: str, **fields: Any) -> None:
        """Log a failure that the product handles."""
        self._write("WARNING", event, message, fields)

    def error(self, event: Event, message: str, **fields: Any) -> None:
        """Log a failure that the operator should look at."""
        self._write("ERROR", event, message, fields)

    def internal_error(self, error: BaseException, message: str, **fields: Any) -> None:
        """Log an unexpected exception: its type and the file:line that raised it, never its message or locals.

        `message` says what failed, without a period. Of an exception group the first exception is logged.
        """
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        location = "unknown"
        if frames := traceback.extract_tb(error.__traceback__):
            location = f"{Path(*Path(frames[-1].filename).parts[-3:])}:{frames[-1].lineno}"
        error_type = type(error).__name__
        text = f"{message}: {error_type} at {location}."
        self.error(Event.INTERNAL_ERROR, text, errorType=error_type, location=location, **fields)

    def _write(self, severity: str, event: Event, message: str, fields: dict[str, Any]) -> None:
        line = _ENCODER.encode({"severity": severity, "message": message, "event": event, **fields})
        # A single write per line, because threads and processes share the stream.
        print(line + "\n", end="", file=self.stream or sys.stdout, flush=True)


def quiet_libraries() -> None:
    """Silence libraries that would log bytes of forms, or URLs of calls to Wireflow, which contain the webhook id."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
