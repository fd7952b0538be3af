"""The problems of authentication and authorization, with their challenges (RFC 6750, section 3)."""

from shared.auth_settings import AuthSettings
from shared.problems import Problem

from .caller import CallerKind

CHALLENGE = 'Bearer realm="wireflow-images"'
NONE_CONFIGURED = "This service accepts no credential for this request. The operator can set TRIGGER_TOKENS."
ORIGIN_NOT_ALLOWED = "Pages of this origin may not call this service. The operator can add it to FORM_ORIGINS."


def unauthorized(detail: str) -> Problem:
    """401: the request has no credential."""
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": CHALLENGE})


def credential_needed(settings: AuthSettings, *accepted: CallerKind) -> Problem:
    """401: the request has no credential, and needs one of the accepted kinds; those that are configured are named."""
    ways = {
        CallerKind.TOKEN: (settings.tokens, "send a token of TRIGGER_TOKENS as Authorization: Bearer TOKEN"),
        CallerKind.SIGNATURE: (
            settings.signing_secrets,
            "sign the request (Standard Webhooks) with a secret of TRIGGER_SIGNING_SECRETS",
        ),
        CallerKind.EVENT: (settings.event_account, "send an ID token of EVENT_SERVICE_ACCOUNT for EVENT_AUDIENCE"),
    }
    words = ", or ".join(way for kind in accepted for configured, way in (ways[kind],) if configured)
    return unauthorized(f"{words[0].upper()}{words[1:]}." if words else NONE_CONFIGURED)


def invalid_credential(detail: str) -> Problem:
    """401: the request has a credential that is invalid."""
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})


def no_authentication() -> Problem:
    """403: no authentication is configured, and the request comes from another machine or through a proxy."""
    detail = (
        "No authentication is configured, so only requests from this machine to a loopback address are accepted, "
        "without a proxy or tunnel. Set TRIGGER_TOKENS."
    )
    return Problem("forbidden", detail)


def origin_not_allowed() -> Problem:
    """403: a page of this origin may not call."""
    return Problem("forbidden", ORIGIN_NOT_ALLOWED)
