"""`hooks`: list, add, and remove subscriptions, and rotate their secrets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from functions.cli.api import open_api
from functions.cli.output import print_rows
from functions.cli.place import Place

Hook = Mapping[str, Any]

SECRET_NOTE = "The secret is shown only once. Receivers verify `webhook-signature` with it."  # noqa: S105 - a note


async def list_hooks(place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print the hooks of the caller. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        found = await api.get("/hooks")
    if as_json:
        click.echo(json.dumps(found))
        return
    for number, hook in enumerate(found["hooks"]):
        if number:
            click.echo()
        print_rows(_rows(hook))
    if not found["hooks"]:
        click.echo("No hooks.")


async def add_hook(fields: Mapping[str, Any], place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Create a hook and print it with its secret. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        _print_with_secret(await api.post("/hooks", fields), as_json=as_json)


async def remove_hook(hook_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Delete a hook; it may be deleted already. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        await api.remove(f"/hooks/{hook_id}")
    click.echo(json.dumps({"id": hook_id}) if as_json else "The hook is deleted.")


async def rotate_hook(hook_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print a hook with its new secret. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        _print_with_secret(await api.post(f"/hooks/{hook_id}/secret"), as_json=as_json)


def _print_with_secret(hook: Hook, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(hook))
        return
    print_rows([*_rows(hook), ("secret", hook["secret"])])
    click.echo(SECRET_NOTE, err=True)


def _rows(hook: Hook) -> Iterator[tuple[str, str]]:
    yield "hook", hook["id"]
    yield "status", hook["status"]
    yield "URL", hook["hookUrl"]
    yield "events", ", ".join(hook["events"])
    if hook["workflow"]:
        yield "workflow", hook["workflow"]
    yield "format", hook["format"]
    yield "created", hook["createdAt"]
