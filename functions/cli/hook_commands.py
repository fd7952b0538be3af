"""`hooks …`: the commands on subscriptions and their options."""

import os

import click

from functions.cli.ids import HOOK_ID
from functions.cli.place import Place, at_place
from functions.cli.tasks import run_until_interrupted

EVENTS = ("image.completed", "image.failed", "image.canceled")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
HOOK = click.argument("hook_id", metavar="HOOK", type=HOOK_ID)


@click.group()
def hooks() -> None:
    """Manage the URLs that are notified when jobs are final.

    They are those of the deployment at --url, or else those of JOBS_URL, or else those of `serve` in this folder.
    """


@hooks.command("list")
@JSON
@at_place
def list_(place: Place, as_json: bool) -> None:
    """List your hooks."""
    from functions.cli.hooks import list_hooks

    run_until_interrupted(list_hooks(place, os.environ, as_json=as_json))


@hooks.command()
@click.argument("hook_url", metavar="URL")
@click.option("--event", "events", type=click.Choice(EVENTS), multiple=True, help="Only this event; may be repeated.")
@click.option("--workflow", metavar="NAME", help="Only jobs of this workflow.")
@click.option(
    "--format", "format_", type=click.Choice(["standard", "cloudevents", "flat"]), help="The form of the messages."
)
@JSON
@at_place
def add(
    place: Place, hook_url: str, events: tuple[str, ...], workflow: str | None, format_: str | None, as_json: bool
) -> None:
    """Notify URL when a job is final. Prints the secret of the signatures, which is shown only once."""
    from functions.cli.hooks import add_hook

    fields = {"hookUrl": hook_url, "events": list(events), "workflow": workflow, "format": format_}
    given = {name: value for name, value in fields.items() if value}
    run_until_interrupted(add_hook(given, place, os.environ, as_json=as_json))


@hooks.command()
@HOOK
@JSON
@at_place
def remove(place: Place, hook_id: str, as_json: bool) -> None:
    """Delete HOOK. Nothing happens if it does not exist."""
    from functions.cli.hooks import remove_hook

    run_until_interrupted(remove_hook(hook_id, place, os.environ, as_json=as_json))


@hooks.command()
@HOOK
@JSON
@at_place
def rotate(place: Place, hook_id: str, as_json: bool) -> None:
    """Print a new secret for HOOK. For 24 hours messages are also signed with the old one."""
    from functions.cli.hooks import rotate_hook

    run_until_interrupted(rotate_hook(hook_id, place, os.environ, as_json=as_json))
