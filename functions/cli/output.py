"""What the commands print: progress on standard error, results on standard output. With --json only the job is printed.

Text from elsewhere, such as a prompt, is never read as markup.
"""

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from functions.cli.client import PublicJob
from functions.cli.events import LogFormat
from functions.cli.example_request import example_request
from functions.cli.local import LocalFunctions
from functions.cli.text import cost_text, printable
from functions.cli.tokens import NewToken
from shared.auth_settings import AuthSettings
from shared.job_states import Status
from shared.workflows import DEFAULT

NAME_WIDTH = 13  # of the names in `print_rows`, with the space after them


class RunOutput:
    """The output of `run`. Use it as a context manager; it starts with the first progress message."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        quiet = not self._console.is_terminal
        self._spinner = Progress(*columns, console=self._console, transient=True, disable=quiet)
        self._task = self._spinner.add_task("", total=None)
        self._started_at = time.monotonic()
        self._last = ""

    def __enter__(self) -> Self:
        """Return the output."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the spinner."""
        self._spinner.stop()

    def progress(self, text: str) -> None:
        """Print a message with the elapsed seconds, unless it is the same as the last one."""
        text = printable(text)
        if text != self._last:
            self._last = text
            self._spinner.start()
            self._console.print(f"{time.monotonic() - self._started_at:5.1f} s  {text}")
            self._spinner.update(self._task, description=text)

    def job(self, job: PublicJob) -> None:
        """Print the state of the job. Why it failed is left to the error that ends the command."""
        if job["status"] in (Status.FAILED, Status.CANCELED):
            self.progress(job["status"])
            return
        start = f" It can start at {job['estimatedStartAt']}." if job["estimatedStartAt"] else ""
        self.progress(f"{job['status']}: {job['message']}{start}")

    def result(self, job: PublicJob) -> None:
        """Print the job as a table or as JSON."""
        self._spinner.stop()
        if self._as_json:
            click.echo(json.dumps(job))
        else:
            print_rows(_rows(job))

    def paths(self, paths: Sequence[Path]) -> None:
        """Print where the image files are, with --json one path per line on standard error."""
        if self._as_json:
            for path in paths:
                click.echo(path, err=True)
        else:
            print_rows(("file", str(path)) for path in paths)


def open_images(paths: Sequence[Path]) -> None:
    """Show the images in the default viewer. On a machine without one that is only a message: the files exist."""
    for path in paths:
        if click.launch(str(path.absolute())) != 0:
            click.echo(f"Cannot open {path}: no program that opens images was found.", err=True)


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print a name and a value on each line. No value is wrapped: hashes, URLs, and paths can be copied."""
    console = Console(highlight=False)
    for name, value in rows:
        console.print(Text.assemble((f"{name:<{NAME_WIDTH}}", "bold"), printable(value)), soft_wrap=True)


def failure(job: PublicJob) -> str:
    """Return why the job failed, whether it cost money, and what to do next."""
    if not job["errorCode"]:
        return f"The job is {job['status']}: {job['message']}"
    cost = {"yes": "It was charged.", "no": "It was not charged."}.get(job["errorCharged"], "It may have been charged.")
    lines = [f"The job failed ({job['errorCode']}).", printable(job["errorMessage"]), cost, job["errorHint"]]
    if job["requestId"]:
        lines.append(f"requestId: {job['requestId']}")
    return "\n".join(lines)


def how_to_follow(job: PublicJob) -> str:
    """Return how to follow a job of the real Wireflow after the command has ended."""
    url = f"http://127.0.0.1:8080/jobs/{job['id']}"
    return f"To continue the job, run `python -m functions serve --live`, then open {url} or {url}/image."


def print_servers(functions: LocalFunctions, folder: Path, log_format: LogFormat) -> None:
    """Print the URL of each server, what requests may name, how to authenticate, and an example request."""
    rows = {server.name: server.url for server in functions.servers} | {"state, logs": str(folder)}
    if functions.config.playground:
        rows["playground"] = f"open {functions.trigger.url} in a browser"
    rows["workflows"] = ", ".join(workflow.name for workflow in functions.config.workflows)
    if credentials := _credential_settings(functions.config.auth):
        rows["credentials"] = ", ".join(credentials)
    _print_start(rows, example_request(functions.trigger.url, functions.config.auth), log_format)


def _credential_settings(auth: AuthSettings) -> list[str]:
    """Return the names of the settings that say which credentials are accepted."""
    configured = {
        "TRIGGER_TOKENS": auth.tokens,
        "TRIGGER_SIGNING_SECRETS": auth.signing_secrets,
        "EVENT_SERVICE_ACCOUNT": auth.event_account,
        "FORM_ORIGINS": auth.origins,
    }
    return [name for name, value in configured.items() if value]


def print_simulator(url: str, folder: Path, log_format: LogFormat) -> None:
    """Print the URL of the simulator and how to use it."""
    rows = {"simulator": url, "state, logs": str(folder), "WIREFLOW_BASE_URL": f"{url}/api/v1"}
    _print_start(rows, f"List its faults: curl {url}/_faults", log_format)


def print_token(token: NewToken) -> None:
    """Print two lines for a script on standard output; the explanation goes to standard error."""
    click.echo("A new token, which is shown only once, and the value of TRIGGER_TOKENS that accepts it:", err=True)
    click.echo(token.text)
    click.echo(token.setting)
    click.echo(
        "For several callers, merge the JSON objects. Requests send the token as `Authorization: Bearer TOKEN`.",
        err=True,
    )


def print_findings(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print what was checked, the result, and what to do."""
    table = Table("Checked", "Result", "What to do")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console(highlight=False).print(table)


def print_control(rows: Sequence[tuple[str, str]]) -> None:
    """Print the state of the gate, a name and a value on each line."""
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        click.echo(f"{name:<{width}}{value}")


def print_usage(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the usage as a table. Headings wrap; the first column, such as a day, does not."""
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the usage as CSV (RFC 4180), with a header."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *rows])
    click.echo(text.getvalue(), nl=False)


def _print_start(rows: dict[str, str], next_step: str, log_format: LogFormat) -> None:
    """Print what runs where; to standard error if standard output is for machines."""
    err, width = log_format is LogFormat.JSON, max(map(len, rows)) + 2
    for name, value in rows.items():
        click.echo(f"{name:<{width}}{value}", err=err)
    click.echo(f"\n{next_step}\n\nPress Ctrl-C to stop.\n", err=err)


def _rows(job: PublicJob) -> Iterator[tuple[str, str]]:
    yield "job", job["id"]
    yield "status", job["status"]
    yield "prompt", job["prompt"]
    if job["workflow"] != DEFAULT:
        yield "workflow", job["workflow"]
    for name, label in {"executionId": "execution", "runSeconds": "run seconds", "creditsUsed": "credits"}.items():
        if job[name] is not None:
            yield label, str(job[name])
    if job["cost"] is not None:
        yield "cost", cost_text(job["cost"])
    if job["possibleDuplicate"]:
        yield "note", "The paid call was retried after an unknown outcome; it may have been charged twice."
    for image in job["images"]:
        if image["url"]:
            yield f"image {image['index']}", _description(image)
            yield "sha256", image["sha256"]


def _description(image: dict[str, Any]) -> str:
    size = f"{image['width']} x {image['height']}, " if image["width"] else ""
    return f"{image['contentType']}, {size}{image['bytes']:,} bytes"
