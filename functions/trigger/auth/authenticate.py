"""Authentication: who sends a request, by its credentials or by where it comes from.

Every credential of a request is verified, even if the deployment accepts none of its kind: it is valid, or the request
is rejected. Of several valid ones a token comes before a signature, and a signature before an event.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request

from shared.auth_settings import AuthSettings, Token
from shared.callers import FORM_PREFIX
from shared.log import Event, Log
from shared.ports import Clock
from shared.problems import Problem

from . import cors, loopback, signatures, tokens
from .caller import Caller, CallerKind, preferred
from .certificates import Certificates
from .google_tokens import GoogleTokens, signature_removed
from .rejections import (
    ORIGIN_NOT_ALLOWED,
    credential_needed,
    invalid_credential,
    no_authentication,
    origin_not_allowed,
    unauthorized,
)
from .verifier_http import VerifierUnavailable

if TYPE_CHECKING:
    import httpx


class Authenticator:
    """Turns the credentials of a request into its caller.

    `public_url`: this deployment's own URL, if known. `http` creates a client; it is called only if Google's keys are
    needed, because httpx lengthens a cold start.
    """

    def __init__(
        self,
        settings: AuthSettings,
        public_url: str | None,
        clock: Clock,
        log: Log,
        http: Callable[[], "httpx.AsyncClient"],
    ) -> None:
        self._settings, self._public_url, self._clock, self._log = settings, public_url, clock, log
        self._google: GoogleTokens | None = None
        if settings.event_account and settings.event_audience:
            certificates = Certificates(settings.certs_url, clock, http())
            self._google = GoogleTokens(settings.event_account, settings.event_audience, certificates, clock)

    async def headers(self, request: Request) -> Caller | None:
        """Return the caller that the Authorization headers identify, or None without one.

        Raises Problem: 400 for a token in the URL, 401 for an invalid credential, 503 if Google's keys are unavailable.
        """
        _reject_token_in_url(request)
        if not self._settings.configured:
            return None
        callers: list[Caller] = []
        jwts: list[str] = []
        for credential in tokens.presented(request):
            if owner := tokens.owner(credential.text, self._settings.tokens):
                callers.append(_token_caller(owner))
            elif credential.may_be_jwt:
                jwts.append(credential.text)
            else:
                raise _unknown_token() if credential.well_formed else _malformed_authorization()
        for jwt in jwts:
            if await self._is_event(jwt, request):
                callers.append(Caller(CallerKind.EVENT, "event"))
        return preferred(*callers)

    def expects_signature(self, request: Request) -> bool:
        """Return whether the request has a signature that its body can make valid.

        Raises Problem 401 for one that no body can: nothing needs to be read then.
        """
        if not self._settings.configured or not signatures.is_signed(request):
            return False
        if not self._settings.signing_secrets or signatures.claims(request, self._clock.now()) is None:
            raise _invalid_signature()
        return True

    def signature(self, request: Request, raw: bytes) -> Caller | None:
        """Return the caller that signed this body, or None if the request is not signed. Raises Problem 401. CPU-bound.

        The signature covers neither the method nor the URL.
        """
        if not self.expects_signature(request):
            return None
        name = signatures.signer(request, raw, self._settings.signing_secrets, self._clock.now())
        if name is None:
            raise _invalid_signature()
        return Caller(CallerKind.SIGNATURE, name)

    def body_token(self, token: str) -> Caller | None:
        """Return the caller that owns the token of the body; None if no authentication is configured.

        Raises Problem 401.
        """
        if not self._settings.configured:
            return None
        if owner := tokens.owner(token, self._settings.tokens):
            return _token_caller(owner)
        raise _unknown_token()

    def visitor(self, request: Request) -> Caller | None:
        """Return the caller of a request without a credential, or None if it needs one.

        That is a page of an allowed origin; or, if no credential is needed, any request from this machine, and on a
        private deployment any at all, as IAM has authenticated its caller. Raises Problem 403 for others in that case.
        """
        if self._settings.needs_no_credential:
            is_local = loopback.is_local(request)
            if problem := self._rejection_without_authentication(request, is_local=is_local):
                raise problem
            return _open_caller(is_local=is_local)
        origin = cors.own_or_allowed_origin(request, self._settings, self._public_url)
        return Caller(CallerKind.FORM, f"{FORM_PREFIX}{origin}") if origin else None

    def missing_credential(self, request: Request) -> Problem:
        """Return the problem of a request that has no credential and needs one."""
        if "origin" in request.headers:
            return unauthorized(ORIGIN_NOT_ALLOWED)
        return credential_needed(self._settings, CallerKind.TOKEN, CallerKind.SIGNATURE, CallerKind.EVENT)

    async def reader(self, request: Request) -> Caller | None:
        """Return the caller of a GET or DELETE, or None without a credential.

        Raises Problem as `headers` and `signature` do.
        """
        caller = preferred(await self.headers(request), self.signature(request, b""))
        if caller or not self._settings.needs_no_credential:
            return caller
        is_local = loopback.is_local(request)
        is_rejected = self._rejection_without_authentication(request, is_local=is_local)
        return None if is_rejected else _open_caller(is_local=is_local)

    async def _is_event(self, jwt: str, request: Request) -> bool:
        """Return whether a JWT identifies our events. False: it identifies a caller to IAM only. Raises Problem."""
        if signature_removed(jwt) and self._is_verified_by_iam(request):
            return self._google is not None and self._google.claims_match(jwt)
        try:
            if self._google is None or not await self._google.is_genuine(jwt):
                raise invalid_credential(
                    "The token is unknown, and not a Google ID token for EVENT_SERVICE_ACCOUNT and EVENT_AUDIENCE. "
                    "Send a token of TRIGGER_TOKENS, or a current ID token of that account for that audience."
                )
        except VerifierUnavailable as error:
            self._log.error(Event.CONFIGURATION, f"Google's public keys could not be fetched: {error}.")
            raise error.problem() from error
        return True

    def _is_verified_by_iam(self, request: Request) -> bool:
        """Return whether IAM verified the Authorization header of this request.

        With X-Serverless-Authorization it verifies that one instead, and Authorization arrives as the caller wrote it.
        https://cloud.google.com/run/docs/authenticating/service-to-service#acquire-token
        """
        headers = request.headers
        is_only_one = len(headers.getlist("authorization")) == 1 and "x-serverless-authorization" not in headers
        return self._settings.public is False and is_only_one

    def _rejection_without_authentication(self, request: Request, *, is_local: bool) -> Problem | None:
        """Return why a request is rejected while no credential is needed, or None."""
        if self._settings.public is not False and not is_local:
            return no_authentication()
        return origin_not_allowed() if loopback.is_cross_origin(request, self._public_url) else None


def _open_caller(*, is_local: bool) -> Caller:
    """Return the caller without any authentication. On this machine it is the operator, who may read the store, too."""
    return Caller(CallerKind.OPEN, admin=is_local)


def _token_caller(owner: Token) -> Caller:
    return Caller(CallerKind.TOKEN, owner.name, owner.admin)


def _unknown_token() -> Problem:
    return invalid_credential(
        "The token is unknown. Send a token of TRIGGER_TOKENS as Authorization: Bearer TOKEN, as the password of "
        "Basic, or as the body's token."
    )


def _malformed_authorization() -> Problem:
    return invalid_credential(
        "The Authorization header must be `Bearer TOKEN`, without quotation marks, or Basic with the token as the "
        "password."
    )


def _invalid_signature() -> Problem:
    return invalid_credential(
        "The webhook-signature does not match the webhook-id, webhook-timestamp, and body, or the timestamp is more "
        "than five minutes off. Sign the exact bytes of the UTF-8 body with the current time and a secret of "
        "TRIGGER_SIGNING_SECRETS."
    )


def _reject_token_in_url(request: Request) -> None:
    """URLs end up in the logs of every server and proxy."""
    if request.scope["query_string"] and any(name.lower() == "token" for name in request.query_params):
        raise Problem(
            "token_in_url",
            "Send the token as Authorization: Bearer TOKEN or as the body's token. Replace this one: URLs are logged.",
        )
