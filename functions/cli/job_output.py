"""What the commands on jobs print. Hashes and URLs are never wrapped; everything else fits the terminal."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from functions.cli.job_history import Entry, history_of
from functions.cli.place import Place
from functions.cli.text import columns, cost_text, cut, dollars_text, printable, wrapped
from shared.job_states import FINAL, Status

Job = Mapping[str, Any]

ID_WIDTH, STATUS_WIDTH, AGE_WIDTH, COST_WIDTH = 32, 10, 6, 7
HERE = Place()
NAME_WIDTH = 13  # with the space after it
INDENT = 10  # of text below the time of an entry; of hashes and URLs it is less, so that they fit
SHORT_INDENT = " " * 4
_REQUEST = re.compile(r"POST https?://\S+/jobs/\w+/(redeliver|recopy|retry)\b(?: with \{[^{}]*\})?\.")


def print_jobs(jobs: Sequence[Job], now: datetime, *, as_json: bool) -> None:
    """Print jobs as a table, a line each, or as JSON."""
    if as_json:
        click.echo(json.dumps({"jobs": jobs}))
    elif not jobs:
        click.echo("No jobs.")
    else:
        click.echo(_line("JOB", "STATUS", "AGE", "COST", "PROMPT"))
        for job in jobs:
            code = job["errorCode"] or job["waitReason"]
            text = f"{code}: {job['prompt']}" if code else job["prompt"]
            cost = dollars_text(job["cost"]["amount"]) if job["cost"] else ""
            click.echo(_line(job["id"], job["status"], _age(job["createdAt"], now), cost, printable(text)))


def print_job(job: Job, *, as_json: bool, place: Place = HERE) -> None:
    """Print a job and its history, or the job as JSON. `place`: where it is, for the commands that are suggested."""
    if as_json:
        click.echo(json.dumps(job))
        return
    for name, value in _summary(job):
        text = wrapped(value, NAME_WIDTH, f"{name:<{NAME_WIDTH - 1}} ")
        click.echo(click.style(name, bold=True) + text.removeprefix(name))
    day = None
    for entry in history_of(job):
        if entry.at.date() != day:
            day = entry.at.date()
            click.echo(f"\n{day} (UTC)")
        _print_entry(entry)
    if next_step := job["errorHint"] or (job["message"] if job["status"] not in FINAL else ""):
        click.echo()
        _print_next_step(next_step, job["id"], place)


def print_action(action: str, job: Job, *, as_json: bool) -> None:
    """Print what an action has done."""
    if as_json:
        click.echo(json.dumps(job))
        return
    done = {
        "cancel": "The job is canceled.",
        "redeliver": _deliveries(job),
        "recopy": "The images are being copied again.",
        "retry": f"Attempt {job['attempt']} is {job['status']}.",
    }
    click.echo(done[action])


def _deliveries(job: Job) -> str:
    if not job["callbacks"]:
        return "This job has no receivers."
    pending = sum(callback["status"] == "pending" for callback in job["callbacks"])
    return f"{pending} {'delivery is' if pending == 1 else 'deliveries are'} pending."


def print_change(job: Job, *, as_json: bool) -> None:
    """Print a line about the state of a job, or the job as JSON."""
    if as_json:
        click.echo(json.dumps(job))
    else:
        click.echo(cut(f"{datetime.now().astimezone():%H:%M:%S}  {job['id']}  {state_of(job)}", columns()))


def state_of(job: Job) -> str:
    """Return what is worth a line whenever it changes: the status, and how far it is or why."""
    details: list[str] = []
    if job["status"] == Status.QUEUED:
        details = [job["waitReason"] or "", f"position {job['queuePosition']}" if job["queuePosition"] else ""]
    elif job["status"] == Status.RUNNING:
        details = [_progress(step) for step in job["steps"] or ()]
    elif job["status"] == Status.SUCCEEDED:
        details = [f"{job['runSeconds']:.1f} s" if job["runSeconds"] is not None else "", _cost(job)]
    elif job["status"] == Status.FAILED:
        details = [job["errorCode"] or "", _cost(job)]
    return "  ".join(filter(None, (job["status"], ", ".join(filter(None, details)))))


def _progress(step: Job) -> str:
    if step["progress"] is None:
        return ""
    return f"{printable(step['label'] or 'step')} {step['progress']:g}"


def _cost(job: Job) -> str:
    return dollars_text(job["cost"]["amount"]) if job["cost"] else ""


def _line(job_id: str, status: str, age: str, cost: str, prompt: str) -> str:
    start = f"{job_id:<{ID_WIDTH}}  {status:<{STATUS_WIDTH}}  {age:>{AGE_WIDTH}}  {cost:>{COST_WIDTH}}  "
    return f"{start}{cut(prompt, columns() - len(start))}".rstrip()


def _age(created_at: str, now: datetime) -> str:
    seconds = max((now - datetime.fromisoformat(created_at)).total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _summary(job: Job) -> Iterator[tuple[str, str]]:
    yield "job", job["id"]
    yield "status", job["status"]
    yield "prompt", job["prompt"]
    for name in ("workflow", "caller"):
        if job[name]:
            yield name, job[name]
    related = [("batch", job.get("batchId")), ("previous job", job.get("previousJob"))]
    related += [("next job", next_id) for next_id in job.get("nextJobs") or ()]
    yield from ((name, job_id) for name, job_id in related if job_id)
    for name, value in (job["metadata"] or {}).items():
        yield name, value
    if job["cost"]:
        yield "cost", cost_text(job["cost"])
    if job["possibleDuplicate"]:
        yield "note", "A paid call with an unknown outcome was repeated: it may have been charged twice."
    yield "URL", job["statusUrl"]


def _print_next_step(text: str, job_id: str, place: Place) -> None:
    """Print what to do, with the command in place of each request that the text suggests."""
    before, *suggested = _REQUEST.split(text)
    click.echo(wrapped(before, 0))
    for action, after in zip(suggested[::2], suggested[1::2], strict=True):
        click.echo(f"    python -m functions jobs {action} {job_id}{place.options}")
        if after.strip():
            click.echo(wrapped(after, 0))


def _print_entry(entry: Entry) -> None:
    time = f"{entry.at.astimezone(UTC):%H:%M:%S}"
    click.echo(wrapped(entry.text, INDENT, f"{time}  "))
    for line in entry.lines:
        click.echo(f"{SHORT_INDENT}{printable(line)}")
