"""One JSON object a line on standard output: what Cloud Logging turns into fields, alerts and a dashboard.

Printed, not logged: the framework replaces the loggers of an async function after it was imported.
https://cloud.google.com/logging/docs/structured-logging
"""

import json
import logging
import sys
from enum import StrEnum
from typing import Any, TextIO


class Event(StrEnum):
    """What a line tells; alerts and the dashboard rest on these names."""

    JOB_ACCEPTED = "job_accepted"
    JOB_STARTED = "job_started"
    JOB_STORED = "job_stored"
    JOB_FAILED = "job_failed"
    JOB_CANCELED = "job_canceled"
    WINDOW = "window"
    UPSTREAM_REFUSED = "upstream_refused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    UNKNOWN_SHAPE = "unknown_shape"
    GATE_CLOSED = "gate_closed"
    GATE_OPENED = "gate_opened"
    CONFIGURATION = "configuration"


class Log:
    """Writes lines to `stream` (standard output, whichever it is at that moment)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream

    def info(self, event: Event, message: str, **fields: Any) -> None:
        """Something happened as it should."""
        self._write("INFO", event, message, fields)

    def warning(self, event: Event, message: str, **fields: Any) -> None:
        """Something went wrong that the product copes with."""
        self._write("WARNING", event, message, fields)

    def error(self, event: Event, message: str, **fields: Any) -> None:
        """Somebody must look."""
        self._write("ERROR", event, message, fields)

    def _write(self, severity: str, event: Event, message: str, fields: dict[str, Any]) -> None:
        line = json.dumps({"severity": severity, "message": message, "event": event, **fields}, default=str)
        # One write a line: threads and processes share the stream.
        print(line + "\n", end="", file=self.stream or sys.stdout, flush=True)


def quiet_libraries() -> None:
    """Keep httpx from printing the addresses of Wireflow's calls, which hold the webhook's id, and bytes of forms."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
