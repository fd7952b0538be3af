"""What a command says: progress on standard error, the result on standard output, where --json leaves only the job.

Nothing that comes from elsewhere is read as markup.
"""

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from functions.cli.client import PublicJob
from functions.cli.local import Servers
from functions.cli.tokens import NewToken
from shared.auth_settings import AuthSettings
from shared.workflows import DEFAULT

EXAMPLE = "A lighthouse on a cliff at dusk, watercolour"


class Screen:
    """The terminal of `run`."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        quiet = not self._console.is_terminal
        self._spinner = Progress(*columns, console=self._console, transient=True, disable=quiet)
        self._began = time.monotonic()
        self._last = ""

    @contextmanager
    def progress(self) -> Iterator[None]:
        """A spinner, where standard error is a terminal."""
        self._spinner.add_task("", total=None)
        with self._spinner:
            yield

    def step(self, text: str) -> None:
        """Say what goes on, once."""
        if text != self._last:
            self._last = text
            self._console.print(f"{time.monotonic() - self._began:5.1f} s  {text}")
            self._spinner.update(self._spinner.task_ids[0], description=text)

    def job(self, job: PublicJob) -> None:
        """Say where the job stands."""
        self.step(f"{job['status']}: {job['message']}{_start_of(job)}")

    def result(self, job: PublicJob) -> None:
        """The job: a table, or JSON."""
        self._spinner.stop()
        if self._as_json:
            click.echo(json.dumps(job))
        else:
            Console(highlight=False).print(_table(job))

    def written(self, paths: Sequence[Path]) -> None:
        """Where the images are, one path a line."""
        for path in paths:
            click.echo(path, err=self._as_json)


def failure(job: PublicJob) -> str:
    """Why the job failed, whether it cost money, and what to do."""
    if not job["errorCode"]:
        return f"the job is {job['status']}: {job['message']}"
    cost = {"yes": "It was charged.", "no": "It was not charged."}.get(job["errorCharged"], "It may have been charged.")
    return "\n".join(
        [f"the job failed ({job['errorCode']})", job["errorMessage"], cost, job["errorHint"], *_support(job)]
    )


def _support(job: PublicJob) -> list[str]:
    """What Wireflow's support asks for, where there is one."""
    return [f"requestId: {job['requestId']}"] if job["requestId"] else []


def follow_live(job: PublicJob) -> str:
    """How a job of live work is followed after the command has ended."""
    address = f"http://127.0.0.1:8080/jobs/{job['id']}"
    return f"It goes on with `python -m functions serve --live`: {address} and {address}/image."


def serving(servers: Servers, folder: Path) -> None:
    """Where everything is, what may be asked for by whom, and a line to try."""
    rows = {server.name: server.url for server in servers.all()} | {"state, logs": str(folder)}
    rows["workflows"] = ", ".join(workflow.name for workflow in servers.config.workflows)
    if doors := _doors(servers.config.auth):
        rows["doors"] = ", ".join(doors)
    _tell(rows, _example(servers))


def _doors(settings: AuthSettings) -> list[str]:
    """The names of the settings that say who may come in."""
    configured = {
        "TRIGGER_TOKENS": settings.tokens,
        "TRIGGER_SIGNING_SECRETS": settings.signing_secrets,
        "EVENT_SERVICE_ACCOUNT": settings.event_account,
        "FORM_ORIGINS": settings.origins,
    }
    return [name for name, value in configured.items() if value]


def _example(servers: Servers) -> str:
    doors, credential = servers.config.auth, ""
    if doors.configured and not doors.tokens:
        return 'Only who comes through one of the doors is let in: README, "Who may come in".'
    if doors.tokens:
        credential = '-H "Authorization: Bearer $TOKEN" '
    body = json.dumps({"prompt": EXAMPLE})
    curl = f"curl -i {servers.trigger.url}/ {credential}-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    return f"Try it{' (TOKEN: a token of TRIGGER_TOKENS)' if doors.tokens else ''}:\n  {curl}"


def new_token(token: NewToken) -> None:
    """Two lines for a script on standard output, what they are on standard error."""
    click.echo("A new token (it is shown only now), and the setting TRIGGER_TOKENS that lets its holder in:", err=True)
    click.echo(token.text)
    click.echo(token.setting)
    click.echo(
        "Several callers stand in one JSON object. Requests bring it as `Authorization: Bearer TOKEN`.", err=True
    )


def simulating(url: str, folder: Path) -> None:
    """Where the simulator is, and how to use it."""
    rows = {"simulator": url, "state, logs": str(folder), "WIREFLOW_BASE_URL": f"{url}/api/v1"}
    _tell(rows, f"Its faults: curl {url}/_faults")


def findings(rows: Sequence[tuple[str, str, str]]) -> None:
    """What was asked, how it went, and what to do."""
    table = Table("Asked", "Answer", "What to do")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console(highlight=False).print(table)


def _tell(rows: dict[str, str], last: str) -> None:
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        click.echo(f"{name:<{width}}{value}")
    click.echo(f"\n{last}\n\nCtrl-C ends it.")


def _start_of(job: PublicJob) -> str:
    return f" It can start at {job['estimatedStartAt']}." if job["estimatedStartAt"] else ""


def _table(job: PublicJob) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(job):
        table.add_row(Text(name, style="bold"), Text(str(value), overflow="fold"))
    return table


def _rows(job: PublicJob) -> Iterator[tuple[str, Any]]:
    yield "job", job["id"]
    yield "status", job["status"]
    yield "prompt", job["prompt"]
    if job["workflow"] != DEFAULT:
        yield "workflow", job["workflow"]
    for name, label in {"executionId": "execution", "runSeconds": "run seconds", "creditsUsed": "credits"}.items():
        if job[name] is not None:
            yield label, job[name]
    if job["possibleDuplicate"]:
        yield "note", "The paid call was repeated after an unknown outcome: it may have cost twice."
    for image in job["images"]:
        if image["url"]:
            yield f"image {image['index']}", _measures(image)
            yield "sha256", image["sha256"]


def _measures(image: dict[str, Any]) -> str:
    size = f"{image['width']} x {image['height']}, " if image["width"] else ""
    return f"{image['contentType']}, {size}{image['bytes']:,} bytes"
