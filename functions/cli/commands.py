"""The commands and their options; README, "Try it", shows how they are used."""

import os
from pathlib import Path

import click

from functions.cli import check as checks
from functions.cli import run as runs
from functions.cli import serve as services
from functions.cli.show import Screen
from functions.cli.tasks import run_until_interrupted

PORT = click.IntRange(1, 65535)
LIVE_HELP = "Use the real Wireflow, which costs money: WIREFLOW_WEBHOOK_ID and WIREFLOW_API_KEY must be set."


@click.group()
def cli() -> None:
    """Images from prompts, on this machine: no account is needed unless --live is given.

    Exit codes: 0 done, 1 the job failed, 2 wrong usage or configuration, 3 still unfinished, 130 interrupted.
    """


@cli.command()
@click.argument("prompt")
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
def run(prompt: str, as_json: bool, out: Path, timeout: float, live: bool) -> None:
    """Make one image of PROMPT, from the request to the file."""
    wish = runs.Wish(prompt=prompt, out=out, timeout=timeout, live=live)
    run_until_interrupted(runs.run(wish, os.environ, Screen(as_json=as_json)))


@cli.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Where the trigger listens on 127.0.0.1.")
@click.option("--live", is_flag=True, help=LIVE_HELP)
def serve(port: int, live: bool) -> None:
    """Keep both functions up, with a poller that ticks by itself, until Ctrl-C."""
    run_until_interrupted(services.serve(port, os.environ, live=live))


@cli.command()
@click.option("--port", type=PORT, default=8090, show_default=True, help="Where it listens on 127.0.0.1.")
def simulate(port: int) -> None:
    """Keep the simulator of Wireflow up, alone, until Ctrl-C."""
    run_until_interrupted(services.simulate(port, os.environ))


@cli.command()
def check() -> None:
    """Ask Wireflow, without spending, whether the webhook and the key of the environment work."""
    run_until_interrupted(checks.report(os.environ))
