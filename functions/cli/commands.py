"""The commands and their options. Each command imports what it runs, so that `--help` and usage errors are fast."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from functions.cli.batch_command import batch
from functions.cli.field_option import FieldType
from functions.cli.hook_commands import hooks
from functions.cli.input_image import InputImageType
from functions.cli.job_commands import jobs
from functions.cli.place import Place, at_place
from functions.cli.tasks import run_until_interrupted, serve_until_interrupted
from functions.cli.times import DAY

PORT = click.IntRange(1, 65535)
LIVE_HELP = "Use the real Wireflow, which costs money. Requires WIREFLOW_WEBHOOK_ID and WIREFLOW_API_KEY."

LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What is printed for each event: a line for people, or the JSON object of the log file.",
)


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from functions.cli.version import version

        click.echo(version())
        context.exit()


@click.group()
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def cli() -> None:
    """Create images from prompts on this machine, and manage jobs here or in a deployment.

    Without --live and --url no account is needed.

    Exit codes: 0 success, 1 a job failed or a server did not respond, 2 invalid usage or configuration, 3 not
    finished in time, 130 interrupted.
    """


@cli.command()
@click.argument("prompt")
@click.option(
    "--workflow",
    metavar="NAME",
    help="The workflow: default, pro, or saved; with --live default or one of WIREFLOW_WORKFLOWS.",
)
@click.option(
    "--image",
    type=InputImageType(),
    help="The input image: a file, a URL, or with --live the ID of an earlier job.",
)
@click.option("--aspect-ratio", metavar="W:H", help="The aspect ratio, such as 16:9.")
@click.option("--resolution", metavar="NAME", type=str.upper, help="The resolution, such as 2K.")
@click.option(
    "--field",
    "fields",
    type=FieldType(),
    multiple=True,
    help="Another field of the request, as in a form; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only the job, as JSON, to standard output.")
@click.option("--open", "open_images", is_flag=True, help="Show the image in the default viewer.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="The folder for the image file; by default the current folder.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    help="Seconds that the command may take; then it ends with exit code 3.",
)
@click.option("--live", is_flag=True, help=LIVE_HELP)
def run(prompt: str, out: Path, timeout: float, live: bool, as_json: bool, open_images: bool, **fields: Any) -> None:
    """Create one image from PROMPT and write it to a file."""
    from functions.cli.output import RunOutput
    from functions.cli.run import RunOptions
    from functions.cli.run import run as run_command
    from functions.cli.run_request import RunRequest

    request = RunRequest(prompt=prompt, **fields)
    options = RunOptions(request=request, out=out, timeout=timeout, live=live, open_images=open_images)
    run_until_interrupted(run_command(options, os.environ, RunOutput(as_json=as_json)))


@cli.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="The trigger's port on 127.0.0.1.")
@click.option("--live", is_flag=True, help=LIVE_HELP)
@LOG_FORMAT
def serve(port: int, live: bool, log_format: str) -> None:
    """Serve the trigger and the poller until Ctrl-C. The poller is called automatically.

    Authentication is configured by the environment (TRIGGER_TOKENS, FORM_ORIGINS, …). Without such settings, requests
    are accepted from this machine only.
    """
    from functions.cli.events import LogFormat
    from functions.cli.serve import serve as serve_command

    serve_until_interrupted(serve_command(port, os.environ, LogFormat(log_format), live=live))


@cli.command()
@click.option("--port", type=PORT, default=8090, show_default=True, help="Its port on 127.0.0.1.")
@LOG_FORMAT
def simulate(port: int, log_format: str) -> None:
    """Serve only the simulator of Wireflow until Ctrl-C."""
    from functions.cli.events import LogFormat
    from functions.cli.serve import simulate as simulate_command

    serve_until_interrupted(simulate_command(port, os.environ, LogFormat(log_format)))


@cli.command(short_help="Check the settings at Wireflow, free of charge.")
def check() -> None:
    """Check the webhook, the API key, and the workflows of the environment at Wireflow, free of charge."""
    from functions.cli.check import report

    run_until_interrupted(report(os.environ))


@cli.command(short_help="Print a new token for a caller.")
@click.argument("name")
@click.option("--admin", is_flag=True, help="Allow the caller to read, list, and act on all jobs.")
def token(name: str, admin: bool) -> None:
    """Print a new token for the caller NAME, and the value of TRIGGER_TOKENS that accepts it.

    Standard output has two lines: the token, and a JSON object with its SHA-256.
    """
    from functions.cli.output import print_token
    from functions.cli.tokens import new_token

    print_token(new_token(name, admin=admin))


JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
DAY_NAME = "YYYY-MM-DD"


@cli.command()
@click.option(
    "--group-by",
    type=click.Choice(["caller", "workflow", "day"]),
    default="day",
    show_default=True,
    help="What each row is for.",
)
@click.option(
    "--from",
    "first",
    type=DAY,
    metavar=DAY_NAME,
    help="The first day (UTC), by default the first of the month of --to.",
)
@click.option("--to", "last", type=DAY, metavar=DAY_NAME, help="The last day (UTC), by default today.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header to standard output.")
@JSON
@at_place
def usage(place: Place, first: datetime | None, last: datetime | None, **options: Any) -> None:
    """Show jobs, images, and costs.

    They are those of the deployment at --url, or else those of JOBS_URL, or else those of `serve` in this folder.
    """
    from functions.cli.usage import UsageOptions
    from functions.cli.usage import usage as usage_command

    if options["as_csv"] and options["as_json"]:
        raise click.UsageError("--csv and --json cannot be used together.")
    wanted = UsageOptions(first=first and first.date(), last=last and last.date(), **options)
    run_until_interrupted(usage_command(wanted, place, os.environ))


@cli.group(short_help="Pause and resume starts; show what is suspended.")
def control() -> None:
    """Pause and resume the starts of jobs, and show what is suspended and spent.

    The job store is that of JOBS_URL, such as firestore://PROJECT/DATABASE, or else that of `serve` in this folder.
    """


LIVE_STORE = click.option("--live", is_flag=True, help="Without JOBS_URL: the job store of `serve --live`.")


@control.command()
@LIVE_STORE
@JSON
def status(live: bool, as_json: bool) -> None:
    """Show what is suspended and spent.

    For each suspension: the reason, since when, and how it ends. For the spend: the limits of the environment.
    """
    from functions.cli.control import status as status_command

    run_until_interrupted(status_command(os.environ, live=live, as_json=as_json))


@control.command()
@LIVE_STORE
@JSON
def pause(live: bool, as_json: bool) -> None:
    """Let no job start until `resume`. Runs that have started continue."""
    from functions.cli.control import pause as pause_command

    run_until_interrupted(pause_command(os.environ, live=live, as_json=as_json))


@control.command()
@LIVE_STORE
@JSON
def resume(live: bool, as_json: bool) -> None:
    """End every suspension, whatever its reason."""
    from functions.cli.control import resume as resume_command

    run_until_interrupted(resume_command(os.environ, live=live, as_json=as_json))


@control.command()
@click.argument("job")
@LIVE_STORE
@JSON
def trial(job: str, live: bool, as_json: bool) -> None:
    """Start the queued job JOB next.

    It starts in spite of every suspension; limits still apply. JOB is its ID.
    """
    from functions.cli.control import trial as trial_command

    run_until_interrupted(trial_command(job, os.environ, live=live, as_json=as_json))


cli.add_command(batch)
cli.add_command(hooks)
cli.add_command(jobs)
