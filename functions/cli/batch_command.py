"""The command `batch` and its options."""

import os
from pathlib import Path

import click

from functions.cli.place import TOKEN_HELP, Place
from functions.cli.tasks import run_until_interrupted


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", help="The URL of a deployment's trigger, such as https://TRIGGER; by default the simulator.")
@click.option("--token", help=TOKEN_HELP)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="images",
    show_default=True,
    help="The folder for the image files and results.csv.",
)
@click.option("--workflow", metavar="NAME", help="The workflow of rows that do not name one.")
@click.option("--yes", is_flag=True, help="Do not ask before something is paid.")
def batch(file: Path, url: str | None, token: str | None, out: Path, workflow: str | None, yes: bool) -> None:
    """Create an image for each row of FILE, a table in CSV or .xlsx.

    The first row names the columns: one of them is prompt. Others are fields of the request, such as aspect_ratio,
    or your own data:

    \b
        prompt,aspect_ratio,SKU
        "A red fox, asleep",16:9,4711
        A lighthouse at dusk,1:1,4712

    Run the same command again to continue after an interruption; nothing is paid twice.
    """  # noqa: D301 - click needs the control character
    from functions.cli.batch import BatchOptions
    from functions.cli.batch import batch as batch_command
    from functions.cli.batch_output import BatchOutput

    place = Place.of(url, token, live=False)
    options = BatchOptions(file=file, out=out, place=place, workflow=workflow, yes=yes)
    run_until_interrupted(batch_command(options, os.environ, BatchOutput()))
