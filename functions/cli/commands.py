"""The commands and their options; README, "Try it", shows how they are used."""

import os
from pathlib import Path

import click

from functions.cli import check as checks
from functions.cli import run as runs
from functions.cli import serve as services
from functions.cli import show
from functions.cli.input_image import InputImage, InputImageType
from functions.cli.show import Screen
from functions.cli.tasks import run_until_interrupted
from functions.cli.tokens import new_token

PORT = click.IntRange(1, 65535)
LIVE_HELP = "Use the real Wireflow, which costs money: WIREFLOW_WEBHOOK_ID and WIREFLOW_API_KEY must be set."


@click.group()
def cli() -> None:
    """Images from prompts, on this machine: no account is needed unless --live is given.

    Exit codes: 0 done, 1 the job failed, 2 wrong usage or configuration, 3 still unfinished, 130 interrupted.
    """


@cli.command()
@click.argument("prompt")
@click.option(
    "--workflow",
    metavar="NAME",
    help="Which workflow makes it: default, pro or saved; with --live one of WIREFLOW_WORKFLOWS.",
)
@click.option(
    "--image",
    type=InputImageType(),
    help="The input image: a file, an address, or with --live the id of an earlier job.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the public job as JSON, and nothing else.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="The folder for the image; the current one by default.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    help="Seconds to wait for the job before the command ends with exit code 3.",
)
@click.option("--live", is_flag=True, help=LIVE_HELP)
def run(  # the command line, word by word
    prompt: str,
    workflow: str | None,
    image: InputImage | None,
    as_json: bool,
    out: Path,
    timeout: float,
    live: bool,
) -> None:
    """Make one image of PROMPT, from the request to the file."""
    wish = runs.Wish(prompt=prompt, out=out, timeout=timeout, live=live, workflow=workflow, image=image)
    run_until_interrupted(runs.run(wish, os.environ, Screen(as_json=as_json)))


@cli.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Where the trigger listens on 127.0.0.1.")
@click.option("--live", is_flag=True, help=LIVE_HELP)
def serve(port: int, live: bool) -> None:
    """Keep both functions up, with a poller that ticks by itself, until Ctrl-C.

    Who may come in is what the environment says (TRIGGER_TOKENS, FORM_ORIGINS, …); without it, this machine.
    """
    run_until_interrupted(services.serve(port, os.environ, live=live))


@cli.command()
@click.option("--port", type=PORT, default=8090, show_default=True, help="Where it listens on 127.0.0.1.")
def simulate(port: int) -> None:
    """Keep the simulator of Wireflow up, alone, until Ctrl-C."""
    run_until_interrupted(services.simulate(port, os.environ))


@cli.command()
def check() -> None:
    """Ask Wireflow, without spending, whether the webhook, the key and the workflows of the environment work."""
    run_until_interrupted(checks.report(os.environ))


@cli.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="Its holder may read, list and cancel the jobs of all callers.")
def token(name: str, admin: bool) -> None:
    """Print a new token for the caller NAME, and the line for TRIGGER_TOKENS.

    On standard output: the token, then the JSON object of the setting, which holds only its SHA-256.
    """
    show.new_token(new_token(name, admin=admin))
