"""`/hooks`: the subscriptions of a caller to its final jobs. An admin's get the jobs of all callers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.hooks import MAX_HOOKS, Hook, HookSecret
from shared.notifications.signing import new_secret
from shared.problems import Problem
from shared.public_job import timestamp
from shared.runtime.dependencies import Deps
from shared.store_errors import Conflict

from ..auth.authorize import check_may_list
from ..auth.caller import Caller
from ..context import Context
from ..parsing.hook_fields import read_hook_fields

PRIVATE = {"Cache-Control": "private, no-store"}


async def create_hook(request: Request, context: Context) -> Response:
    """Handle `POST /hooks`: return 201 with the hook and its secret."""
    caller, deps = await _caller(request, context), context.deps
    fields = await read_hook_fields(request, deps.config)
    if len(await deps.store.hooks_of(_name(caller))) >= MAX_HOOKS:
        detail = f"You have {MAX_HOOKS} hooks, the maximum. Delete one first: GET /hooks, DELETE /hooks/{{id}}."
        raise Problem("forbidden", detail)
    secret = _secret(deps)
    hook = await deps.store.create_hook(
        Hook(
            id=deps.random_id(),
            hook_url=fields.hook_url,
            caller=_name(caller),
            created_at=deps.clock.now(),
            secrets=(HookSecret(secret=secret),),
            events=fields.events,
            workflow=fields.workflow,
            format=fields.format,
            admin=caller.lists_all,
        )
    )
    return JSONResponse({**_public(hook), "secret": secret}, 201, {**PRIVATE, "Location": f"/hooks/{hook.id}"})


async def list_hooks(request: Request, context: Context) -> Response:
    """Handle `GET /hooks`: return `{"hooks"}`, oldest first: the caller's own, or for the operator all."""
    caller = await _caller(request, context)
    hooks = await context.deps.store.hooks_of(None if caller.operator else _name(caller))
    return JSONResponse({"hooks": [_public(hook) for hook in hooks]}, headers=PRIVATE)


async def read_hook(request: Request, context: Context, hook_id: str) -> Response:
    """Handle `GET /hooks/{id}`."""
    return JSONResponse(_public(await _own(request, hook_id, context)), headers=PRIVATE)


async def delete_hook(request: Request, context: Context, hook_id: str) -> Response:
    """Handle `DELETE /hooks/{id}`: return 204, also if it was deleted before. An admin may delete those of others."""
    caller, store = await _caller(request, context), context.deps.store
    hook = await store.get_hook(hook_id)
    if hook is not None and hook.caller != _name(caller) and not caller.lists_all:
        raise _unknown()
    await store.delete_hook(hook_id)
    return Response(status_code=204)


async def rotate_secret(request: Request, context: Context, hook_id: str) -> Response:
    """Handle `POST /hooks/{id}/secret`: return the hook with its new secret."""
    hook, deps = await _own(request, hook_id, context), context.deps
    secret = _secret(deps)
    try:
        hook = await deps.store.save_hook(hook.rotated(secret, deps.clock.now()))
    except Conflict:  # it was rotated or ended at the same moment
        hook = await _own(request, hook_id, context)
        hook = await deps.store.save_hook(hook.rotated(secret, deps.clock.now()))
    return JSONResponse({**_public(hook), "secret": secret}, headers=PRIVATE)


async def _caller(request: Request, context: Context) -> Caller:
    return check_may_list(await context.authenticator.reader(request), context.deps.config.auth)


async def _own(request: Request, hook_id: str, context: Context) -> Hook:
    """Return the hook if it is the caller's; the operator has all. Problem 401, 403, or 404."""
    caller = await _caller(request, context)
    hook = await context.deps.store.get_hook(hook_id)
    if hook is None or not (caller.operator or hook.caller == _name(caller)):
        raise _unknown()
    return hook


def _name(caller: Caller) -> str:
    return caller.name or ""


def _secret(deps: Deps) -> str:
    return new_secret(bytes.fromhex(deps.random_id() + deps.random_id()))


def _unknown() -> Problem:
    return Problem("not_found", "You have no hook with this id. GET /hooks lists yours.")


def _public(hook: Hook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "hookUrl": hook.hook_url,
        "events": list(hook.events),
        "workflow": hook.workflow,
        "format": str(hook.format),
        "status": str(hook.status),
        "createdAt": timestamp(hook.created_at),
    }
