"""`control`: the operator's switch, and what the gate does now. Works on a local store and on a deployed one."""

import json
from collections.abc import Mapping

import click

from functions.cli.control_status import gate_status, rows
from functions.cli.errors import RequestRejected
from functions.cli.output import print_control
from functions.cli.stores import open_store
from shared.runtime.dependencies import Deps
from shared.steps import control as steps
from shared.store_errors import Conflict


async def status(environ: Mapping[str, str], *, live: bool, as_json: bool) -> None:
    """Print what is suspended, why, since when, and what was spent. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        if as_json:
            await _print_json(deps)
            return
        gate = await deps.admission.read()
        print_control([(row.name, row.value) for row in rows(gate, deps.config.limits, deps.clock.now())])


async def pause(environ: Mapping[str, str], *, live: bool, as_json: bool) -> None:
    """Let no job start until `resume`; as JSON, print the status after that. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        await steps.pause(deps)
        if as_json:
            await _print_json(deps)
            return
        click.echo("Paused: no job starts until `control resume`. Runs that have started continue.")


async def resume(environ: Mapping[str, str], *, live: bool, as_json: bool) -> None:
    """End every suspension; as JSON, print the status after that. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        gate = await deps.admission.read()
        await steps.resume(deps)  # in any case: it lets held jobs back into the queue
        if as_json:
            await _print_json(deps)
            return
        suspended = gate.suspension or gate.workflows
        click.echo("Resumed: jobs may start again." if suspended else "Nothing was suspended.")


async def trial(job_id: str, environ: Mapping[str, str], *, live: bool, as_json: bool) -> None:
    """Let the poller start one queued job, through every suspension. Raises SetupError and RequestRejected."""
    async with open_store(environ, live=live) as deps:
        try:
            await steps.start_one(job_id, deps)
        except steps.NotWaiting as error:
            raise RequestRejected(str(error)) from error
        except Conflict:
            raise RequestRejected("A worker has just taken the job. Try again.") from None
        words = "The poller starts the job next. If Wireflow accepts it, the suspension ends; a pause stays."
        click.echo(json.dumps({"id": job_id}) if as_json else words)


async def _print_json(deps: Deps) -> None:
    click.echo(json.dumps(gate_status(await deps.admission.read(), deps.config.limits, deps.clock.now())))
