"""What `serve` and `simulate` print for each event."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from functions.cli.events import EventPrinter, LogFormat, PrintedLog, readable
from shared.log import Event, Log

NOW = datetime(2026, 3, 1, 20, 14, 3, tzinfo=UTC)
JOB = "2b6a4de5f8f64eb63d4e750e352c4a0a"


def entry(event: Event, severity: str = "INFO", **fields: Any) -> dict[str, Any]:
    return {"severity": severity, "message": "A message.", "event": str(event), **fields}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (entry(Event.JOB_ACCEPTED, jobId=JOB, status="triggering"), f"{JOB}  accepted"),
        (entry(Event.JOB_ACCEPTED, jobId=JOB, status="queued"), f"{JOB}  accepted  queued"),
        (
            entry(Event.JOB_STARTED, jobId=JOB, executionId="exec_38991ac9ed890877"),
            f"{JOB}  started  exec_38991ac9ed890877",
        ),
        (entry(Event.JOB_STORED, jobId=JOB, secondsSinceStart=3.04, cost=0.2), f"{JOB}  stored  3.0 s, $0.20"),
        (entry(Event.JOB_STORED, jobId=JOB), f"{JOB}  stored"),
        (entry(Event.JOB_CANCELED, jobId=JOB), f"{JOB}  canceled"),
        (entry(Event.JOB_RETRIED, jobId=JOB, attempt=2), f"{JOB}  retried  attempt 2"),
        (
            entry(Event.CALLBACK_DELIVERED, jobId=JOB, host="a.example", httpStatus=204, attempts=1),
            f"{JOB}  callback delivered  a.example: HTTP 204, attempt 1",
        ),
        (
            entry(Event.CALLBACK_FAILED, jobId=JOB, host="a.example", httpStatus=None, attempts=2),
            f"{JOB}  callback failed  a.example: no response, attempt 2",
        ),
        (entry(Event.JOB_FAILED, jobId=JOB, errorCode="moderation"), f"{JOB}  failed  moderation: A message."),
        (entry(Event.GATE_CLOSED, errorCode="paused"), "suspended  A message."),
        (entry(Event.INTERNAL_ERROR), "internal error  A message."),
    ],
)
def test_an_event_is_one_readable_line(fields: dict[str, Any], line: str):
    assert readable(fields, NOW) == f"20:14:03  {line}"


@pytest.mark.parametrize("event", Event)
def test_every_event_that_is_a_fault_is_printed(event: Event):
    line = readable(entry(event, "ERROR"), NOW)
    assert line is not None
    assert line.startswith("\x1b[31m20:14:03  ")


def test_a_window_without_a_fault_is_not_printed():
    assert readable(entry(Event.WINDOW), NOW) is None


def test_a_printed_log_is_written_to_its_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for log_format in LogFormat:
        with PrintedLog(tmp_path / log_format, EventPrinter(log_format)) as stream:
            Log(stream).info(Event.JOB_STARTED, "Started.", jobId=JOB)
    texts = [(tmp_path / log_format).read_text() for log_format in LogFormat]
    assert texts[0] == texts[1]
    readable_line, machine_line = capsys.readouterr().out.splitlines()
    assert readable_line.endswith(f"{JOB}  started")
    assert json.loads(machine_line) == json.loads(texts[0])


def test_a_reader_that_has_gone_away_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def closed(*_arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", closed)
    with PrintedLog(tmp_path / "log", EventPrinter(LogFormat.TEXT)) as stream:
        Log(stream).info(Event.JOB_STARTED, "Started.")
    assert (tmp_path / "log").stat().st_size > 0
