"""What `serve` and `simulate` print while they run: one line per event, readable or as JSON."""

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.cli.text import dollars_text, printable
from shared.job_states import Status
from shared.log import Event

COLORS = {"WARNING": "yellow", "ERROR": "red"}
LABELS = {Event.GATE_CLOSED: "suspended", Event.GATE_OPENED: "resumed"}  # others say it themselves


class LogFormat(StrEnum):
    """How events are printed."""

    TEXT = "text"
    JSON = "json"


class EventPrinter:
    """Prints events to standard output. A reader that has gone away, as in `serve | head`, is ignored."""

    def __init__(self, log_format: LogFormat) -> None:
        self._format = log_format

    def print_entry(self, line: str) -> None:
        """Print one line of a log, which is a JSON object."""
        text = line.rstrip("\n") if self._format is LogFormat.JSON else readable(json.loads(line), _now())
        if text:
            self._print(text)

    def print_request(self, method: str, path: str, status: int) -> None:
        """Print a request to the simulator."""
        if self._format is LogFormat.JSON:
            self._print(json.dumps({"method": method, "path": path, "status": status}))
        else:
            self._print(f"{_now():%H:%M:%S}  {status}  {method} {path}")

    def _print(self, text: str) -> None:
        with suppress(OSError):
            click.echo(text)


class PrintedLog(io.TextIOWrapper):
    """A log file of which each line is printed, too."""

    def __init__(self, path: Path, printer: EventPrinter) -> None:
        super().__init__(path.open("wb"), encoding="utf-8")
        self._printer = printer

    def write(self, text: str) -> int:
        """Write one line, which is how `Log` writes."""
        if text:  # `print` writes what follows a line, too
            self._printer.print_entry(text)
        return super().write(text)


def readable(entry: Mapping[str, Any], now: datetime) -> str | None:
    """Return a log entry as a line for people, or None for a window of the poller without a fault."""
    event = entry["event"]
    if event == Event.WINDOW and entry["severity"] == "INFO":
        return None
    label = LABELS.get(event) or event.removeprefix("job_").replace("_", " ")
    line = "  ".join(filter(None, [f"{now:%H:%M:%S}", entry.get("jobId"), label, printable(_details(entry))]))
    color = COLORS.get(entry["severity"])
    return click.style(line, fg=color) if color else line


def print_requests(app: ASGIApp, printer: EventPrinter) -> ASGIApp:
    """Wrap an app so that each of its responses is printed."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                printer.print_request(scope["method"], scope["path"], message["status"])
            await send(message)

        await app(scope, receive, observed)

    return wrapped


def _details(entry: Mapping[str, Any]) -> str:
    """Return what is worth knowing beside the event: of a job that goes well less than its log entry has."""
    match entry["event"]:
        case Event.JOB_ACCEPTED:
            return "queued" if entry.get("status") == Status.QUEUED else ""
        case Event.JOB_STARTED:
            return str(entry.get("executionId", ""))
        case Event.JOB_STORED:
            seconds, cost = entry.get("secondsSinceStart"), entry.get("cost")
            known = [None if seconds is None else f"{seconds:.1f} s", None if cost is None else dollars_text(cost)]
            return ", ".join(filter(None, known))
        case Event.JOB_CANCELED | Event.JOB_RECOPIED | Event.JOB_REDELIVERED:
            return ""
        case Event.JOB_RETRIED:
            return f"attempt {entry.get('attempt')}"
        case Event.CALLBACK_DELIVERED | Event.CALLBACK_FAILED | Event.CALLBACK_UNDELIVERED:
            response = f"HTTP {entry['httpStatus']}" if entry.get("httpStatus") else "no response"
            return f"{entry.get('host')}: {response}, attempt {entry.get('attempts')}"
        case Event.JOB_FAILED | Event.UPSTREAM_REFUSED | Event.OUTCOME_UNKNOWN:
            return ": ".join(filter(None, (entry.get("errorCode"), entry["message"])))
        case _:
            return str(entry["message"])


def _now() -> datetime:
    return datetime.now().astimezone()
