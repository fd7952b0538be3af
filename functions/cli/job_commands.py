"""`jobs …`: the commands on jobs and their options."""

import os
from datetime import datetime
from typing import Any

import click

from functions.cli.ids import JOB_ID
from functions.cli.place import Place, at_place
from functions.cli.tasks import run_until_interrupted, serve_until_interrupted
from functions.cli.times import TIME

FINAL_STATUSES = ("succeeded", "failed", "canceled")
STATUSES = ("queued", "triggering", "running", "copying", *FINAL_STATUSES)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
TIME_HELP = (
    "a day or time such as 2026-01-31 or 2026-01-31T18:30+02:00 (without an offset in UTC), "
    "or how long ago: 30m, 1h, 2d."
)


JOB = click.argument("job_id", metavar="JOB", type=JOB_ID)


@click.group()
def jobs() -> None:
    """List, follow, cancel, recover, and erase jobs.

    They are those of the deployment at --url, or else those of JOBS_URL, or else those of `serve` in this folder.
    """


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--workflow", metavar="NAME", help="Only jobs of this workflow.")
@click.option("--since", type=TIME, metavar="TIME", help=f"Only jobs created since then: {TIME_HELP}")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many jobs.")
@JSON
@at_place
def list_(
    place: Place, status: str | None, workflow: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List the newest jobs."""
    from functions.cli.jobs import JobFilter, list_jobs

    wanted = JobFilter(status=status, workflow=workflow, since=since, limit=limit)
    run_until_interrupted(list_jobs(wanted, place, os.environ, as_json=as_json))


@jobs.command()
@JOB
@JSON
@at_place
def show(place: Place, job_id: str, as_json: bool) -> None:
    """Show the history of JOB: its attempts, Wireflow's responses, its images, and their delivery."""
    from functions.cli.jobs import show as show_command

    run_until_interrupted(show_command(job_id, place, os.environ, as_json=as_json))


@jobs.command()
@JOB
@JSON
@at_place
def cancel(place: Place, job_id: str, as_json: bool) -> None:
    """Cancel the queued job JOB."""
    from functions.cli.jobs import cancel as cancel_command

    run_until_interrupted(cancel_command(job_id, place, os.environ, as_json=as_json))


@jobs.command()
@JOB
@JSON
@at_place
def redeliver(place: Place, job_id: str, as_json: bool) -> None:
    """Notify every receiver of JOB again, free of charge."""
    from functions.cli.jobs import act

    run_until_interrupted(act("redeliver", job_id, place, os.environ, as_json=as_json))


@jobs.command()
@JOB
@JSON
@at_place
def recopy(place: Place, job_id: str, as_json: bool) -> None:
    """Copy the missing images of JOB again, free of charge."""
    from functions.cli.jobs import act

    run_until_interrupted(act("recopy", job_id, place, os.environ, as_json=as_json))


@jobs.command()
@JOB
@click.option("--yes", is_flag=True, help="Pay without being asked.")
@JSON
@at_place
def retry(place: Place, job_id: str, yes: bool, as_json: bool) -> None:
    """Pay for a new run of JOB, which has failed or was canceled. Shows the price and asks first."""
    from functions.cli.jobs import retry as retry_command

    run_until_interrupted(retry_command(job_id, place, os.environ, yes=yes, as_json=as_json))


@jobs.command()
@click.argument("job_id", metavar="[JOB]", type=JOB_ID, required=False)
@click.option("--caller", metavar="NAME", help="Erase final jobs of this caller. Needs a token of an admin.")
@click.option("--status", type=click.Choice(FINAL_STATUSES), help="Erase jobs with this status.")
@click.option("--workflow", metavar="NAME", help="Erase final jobs of this workflow.")
@click.option("--batch", "batchId", metavar="ID", help="Erase final jobs of this batch.")
@click.option("--since", type=TIME, metavar="TIME", help=f"Erase final jobs created since then: {TIME_HELP}")
@click.option("--until", type=TIME, metavar="TIME", help=f"Erase final jobs created before then: {TIME_HELP}")
@click.option("--yes", is_flag=True, help="Erase without being asked.")
@JSON
@at_place
def erase(place: Place, job_id: str | None, yes: bool, as_json: bool, **chosen: Any) -> None:
    """Erase JOB, or all final jobs that the options choose: the record, the images, and the input images.

    A job must match all of the options. Shows how many jobs match, and asks first.
    """
    from functions.cli.erase import erase_all, erase_one

    given = {name: value for name, value in chosen.items() if value}
    if job_id and given:
        raise click.UsageError("Name a job or choose jobs, not both.")
    if not job_id and not given:
        options = "--caller, --status, --workflow, --batch, --since, or --until"
        raise click.UsageError(f"Name a job, or choose jobs by {options}.")
    if job_id:
        run_until_interrupted(erase_one(job_id, place, os.environ, yes=yes, as_json=as_json))
    else:
        run_until_interrupted(erase_all(given, place, os.environ, yes=yes, as_json=as_json))


@jobs.command()
@click.argument("job_id", metavar="[JOB]", type=JOB_ID, required=False)
@JSON
@at_place
def watch(place: Place, job_id: str | None, as_json: bool) -> None:
    """Follow JOB until it is final, or all jobs that are not final until Ctrl-C. Prints a line for each change."""
    from functions.cli.watch import watch_all, watch_job

    if job_id:
        run_until_interrupted(watch_job(job_id, place, os.environ, as_json=as_json))
    else:
        serve_until_interrupted(watch_all(place, os.environ, as_json=as_json))
