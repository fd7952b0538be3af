"""`GET /`: the playground for browsers, where `PLAYGROUND` is set."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from shared.auth_settings import AuthSettings
from shared.problems import Problem
from shared.workflows import DEFAULT, MODELS

from ..auth.authorize import may_see_workflows
from ..auth.cors import own_origin
from ..context import Context
from ..responses.negotiation import matches, wants_page
from ..responses.playground_page import PlaygroundView, playground_page


async def playground(request: Request, context: Context) -> Response:
    """Handle `GET /`: the page is the same for everyone who may see the same workflows.

    Raises Problem 405 for others than browsers.
    """
    if not wants_page(request):
        raise Problem.not_allowed(request.method, ["POST"])
    config, auth = context.deps.config, context.deps.config.auth
    models = next((one.models for one in config.workflows if one.models), tuple(MODELS.values()))
    page = playground_page(
        PlaygroundView(
            workflows=config.workflows if may_see_workflows(await context.authenticator.reader(request)) else (),
            default=config.workflow(DEFAULT) or config.workflows[0],
            models=models,
            usd_per_credit=config.usd_per_credit,
            asks_token=_asks_token(request, auth),
            form_token=auth.form_token_required,
            turnstile_key=auth.turnstile_site_key if auth.turnstile_secret else None,
        )
    )
    page.headers["Cache-Control"] = "private, no-cache"
    page.headers["ETag"] = etag = f'"{hashlib.sha256(bytes(page.body)).hexdigest()[:32]}"'
    if matches(request, etag):
        of_the_body = {"content-length", "content-type"}
        kept = {name: value for name, value in page.headers.items() if name not in of_the_body}
        return Response(status_code=304, headers=kept)
    return page


def _asks_token(request: Request, auth: AuthSettings) -> bool:
    """Whether requests of this page need a token: not if they are accepted as those of a form, or without any."""
    can_challenge = not auth.turnstile_secret or auth.turnstile_site_key is not None
    return not auth.needs_no_credential and not (own_origin(request, auth) and can_challenge)
