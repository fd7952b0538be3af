"""The request that `serve` suggests: a command that works with its settings, or what a request needs instead."""

import json
import shlex
from collections.abc import Iterator

from shared.auth_settings import AuthSettings

PROMPT = "A lighthouse on a cliff at dusk, watercolor"
RECIPES = "functions/trigger/README.md"


def example_request(url: str, auth: AuthSettings) -> str:
    """Return how to send a request to the trigger at `url`."""
    if auth.tokens:
        note = " (TOKEN is one of the tokens in TRIGGER_TOKENS)"
        return _try(note, _json(url, '-H "Authorization: Bearer $TOKEN"'))
    if auth.origins and not auth.turnstile_secret:
        return _try(f" as a form of {auth.origins[0]}", *_form(url, auth))
    if auth.event_account:
        note = f" (a Google identity token of {auth.event_account})"
        return _try(note, _json(url, f'-H "Authorization: Bearer $({_identity_token(auth)})"'))
    if auth.signing_secrets:
        return (
            "Requests must be signed with a secret of TRIGGER_SIGNING_SECRETS, in the headers webhook-id,\n"
            f"webhook-timestamp, and webhook-signature: see {RECIPES}#signed-webhooks"
        )
    if auth.origins:
        return f"Requests come from pages of {auth.origins[0]} with a Turnstile widget: see {RECIPES}#web-form"
    return _try("", _json(url))


def _try(note: str, *commands: str) -> str:
    return "\n  ".join([f"Try it{note}:", *commands])


def _json(url: str, *headers: str) -> str:
    body = shlex.quote(json.dumps({"prompt": PROMPT}))
    return " ".join([f"curl -i {url}/", *headers, f"-H 'Content-Type: application/json' -d {body}"])


def _form(url: str, auth: AuthSettings) -> Iterator[str]:
    """Yield the request of a page. A form token is valid 3 seconds after it was created."""
    origin, form_token = f"-H 'Origin: {auth.origins[0]}'", ""
    if auth.form_token_required:
        read = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"formToken\"])'"
        yield f"FORM_TOKEN=$(curl -s {url}/form-token {origin} | {read}); sleep 4"
        form_token = ' -F "formToken=$FORM_TOKEN"'  # noqa: S105 - the name of a variable
    yield f"curl -i {url}/ {origin}{form_token} -F {shlex.quote(f'prompt={PROMPT}')}"


def _identity_token(auth: AuthSettings) -> str:
    account, audience = shlex.quote(str(auth.event_account)), shlex.quote(str(auth.event_audience))
    options = f"--impersonate-service-account={account} --include-email --audiences={audience}"
    return f"gcloud auth print-identity-token {options}"
