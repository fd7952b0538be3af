"""Who calls, and what it may do: nobody spends the owner's money, or reads another's job, without the right credential.

A credential that is there is examined, also one for a door that is not configured: it is right, or it is wrong.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from shared.auth_settings import AuthSettings
from shared.job import Job
from shared.log import Event, Log
from shared.ports import Clock, JobStore
from shared.problems import Problem
from shared.public_job import timestamp

from . import cors as browsers
from . import form_tokens, loopback, signatures, tokens
from .caller import Caller, CallerKind
from .certificates import Certificates
from .client_address import client_address, counted_as
from .google_tokens import GoogleTokens, signature_removed
from .outside import Unanswered
from .rate_limits import RateLimits
from .turnstile import Turnstile

if TYPE_CHECKING:
    import httpx

CHALLENGE = 'Bearer realm="wireflow-images"'
NO_DOOR = "No door is configured, so only calls from this machine to itself are answered. Set TRIGGER_TOKENS."
UNKNOWN_JOB = "There is no job with this id; jobs are forgotten after their retention time."


class Auth:
    """The auth of one instance. `http` makes a client, which costs a cold start: it is called if a door needs one."""

    def __init__(
        self,
        settings: AuthSettings,
        public_url: str | None,
        store: JobStore,
        clock: Clock,
        log: Log,
        http: Callable[[], "httpx.AsyncClient"],
        *,
        nonce: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self._public_url, self._store, self._clock, self._log, self._nonce = public_url, store, clock, log, nonce
        self._limits = RateLimits(settings, store, clock)
        self._turnstile: Turnstile | None = None
        self._google: GoogleTokens | None = None
        if settings.turnstile_secret:
            self._turnstile = Turnstile(settings.turnstile_url, settings.turnstile_secret, http(), log)
        if settings.event_account and settings.event_audience:
            certificates = Certificates(settings.certs_url, clock, http())
            self._google = GoogleTokens(settings.event_account, settings.event_audience, certificates, clock)

    # --- who is it -------------------------------------------------------------------------------------------------

    async def identify(self, request: Request, body: bytes, token: str | None) -> Caller:
        """Who posts. `body`: the bytes as they came; `token`: that of the body. Problem 400, 401, 403 or 503."""
        _refuse_token_in_url(request)
        if not self.settings.configured:
            self._refuse_strangers(request)
            return Caller(CallerKind.OPEN)
        if caller := await self._by_credential(request, body, token):
            return caller
        if origin := browsers.allowed_origin(request, self.settings):
            return Caller(CallerKind.FORM, f"form:{origin}")
        if "origin" in request.headers:
            raise _unauthorized("Pages of this origin may not call; FORM_ORIGINS names those that may.")
        raise _unauthorized("Send a token, as Authorization: Bearer, or sign the request (Standard Webhooks).")

    async def reader(self, request: Request) -> Caller | None:
        """Who reads or cancels: None without a credential; 401 if one is wrong, 400 for a token in the address."""
        _refuse_token_in_url(request)
        if self.settings.configured:
            return await self._by_credential(request, b"", None)
        try:
            self._refuse_strangers(request)
        except Problem:
            return None
        rebound = self.settings.public is None and not loopback.is_addressed(request, self._public_url)
        return None if rebound else Caller(CallerKind.OPEN)

    async def _by_credential(self, request: Request, body: bytes, token: str | None) -> Caller | None:
        """The first of the right credentials: token, signature, event. One that is wrong outweighs all."""
        found: list[Caller] = []
        events: list[str] = []
        offered = tokens.offered(request) + ([tokens.Offered(token)] if token is not None else [])
        for one in offered:
            if owner := tokens.owner(one.text, self.settings.tokens):
                found.append(Caller(CallerKind.TOKEN, owner.name, owner.admin))
            elif one.bearer and one.text.count(".") == 2:
                events.append(one.text)
            else:
                _refuse("The token is not known here. Send it as Authorization: Bearer TOKEN, or as Basic's password.")
        if signatures.is_signed(request):
            found.append(Caller(CallerKind.SIGNATURE, self._signer(request, body)))
        for jwt in events:
            if await self._is_event(jwt):
                found.append(Caller(CallerKind.EVENT, "event"))
        return found[0] if found else None

    def _signer(self, request: Request, body: bytes) -> str:
        name = signatures.signer(request, body, self.settings.signing_secrets, self._clock.now())
        if name is None:
            _refuse("The signature does not fit this id, time and body (UTF-8), or is not of the last five minutes.")
        return name

    async def _is_event(self, jwt: str) -> bool:
        """Whether it is ours. False: somebody else's whom IAM let in, which says nothing to us."""
        if signature_removed(jwt) and self.settings.public is False:
            return self._google is not None and self._google.claims_fit(jwt)
        try:
            if self._google is None or not await self._google.is_genuine(jwt):
                _refuse("The token is not one that Google signed for EVENT_SERVICE_ACCOUNT and EVENT_AUDIENCE.")
        except Unanswered as error:
            self._log.error(Event.CONFIGURATION, f"Google's keys could not be had: {error}.")
            raise error.problem() from error
        return True

    def _refuse_strangers(self, request: Request) -> None:
        """Without a door: this machine alone, or whoever IAM let in; and no foreign page."""
        if not loopback.is_peer(request) and self.settings.public is not False:
            raise Problem("forbidden", NO_DOOR)
        if loopback.comes_from_elsewhere(request, self._public_url):
            raise Problem("forbidden", "Pages of this origin may not call; FORM_ORIGINS names those that may.")

    # --- what it may see -------------------------------------------------------------------------------------------

    def may_read(self, job: Job, caller: Caller | None) -> None:
        """Problem unless the caller may read and cancel this job: 401 without a credential, 404 with another's."""
        if not job.private:
            return
        if caller is None or caller.door is CallerKind.OPEN:
            raise _unauthorized("Send the token or the signature of the caller that made this job.")
        if not caller.admin and not (caller.private and caller.name == job.caller):
            raise Problem("not_found", UNKNOWN_JOB)

    def may_list(self, caller: Caller | None) -> Caller:
        """The caller, if it may see what there is: by a token or a signature, or where there is no door."""
        if caller and (caller.private or caller.door is CallerKind.OPEN):
            return caller
        if not self.settings.configured:
            raise Problem("forbidden", NO_DOOR)
        raise _unauthorized("Send a token, as Authorization: Bearer, or sign the request.")

    # --- browsers --------------------------------------------------------------------------------------------------

    async def admit(
        self, request: Request, job_id: str, turnstile_response: Any, form_token: str | None = None
    ) -> dict[str, str]:
        """Let in a new job of a browser: the headers for its answer. Problem 403, 422, 429 or 503, or StoreUnavailable.

        A job that was let in before is let in again, and not counted again.
        """
        address = client_address(request, self.settings)
        if self._turnstile:
            await self._turnstile.check(turnstile_response, address, job_id)
        return await self._limits.admit(counted_as(address), job_id, form_token)

    async def form_token(self, request: Request) -> dict[str, Any]:
        """`{"formToken","notBefore","expiresAt"}` for a page of an allowed origin, else Problem 403. Not to be kept."""
        origin = browsers.allowed_origin(request, self.settings)
        if not origin:
            raise Problem("forbidden", "Form tokens are for pages of the origins in FORM_ORIGINS.")
        secret = await self._store.id_secret()
        made = form_tokens.issue(secret, origin, self._clock.now(), self._nonce(form_tokens.NONCE_BYTES))
        times = {"notBefore": timestamp(made.not_before), "expiresAt": timestamp(made.expires_at)}
        return {"formToken": made.text, **times}

    async def check_form_token(self, token: Any, caller: Caller) -> None:
        """Problem 422 if a browser's form token is wrong, or missing where it is a must. Others need none."""
        if not caller.browser or (token is None and not self.settings.form_token_required):
            return
        origin = (caller.name or "").removeprefix("form:")
        try:
            if not isinstance(token, str):
                raise form_tokens.FormTokenRefused("Send the form token that GET /form-token gives to the page.")
            form_tokens.check(token, await self._store.id_secret(), origin, self._clock.now())
        except form_tokens.FormTokenRefused as error:
            raise Problem("invalid_field", str(error), field="formToken") from error

    def cors(self, request: Request, vary: str | None) -> dict[str, str]:
        """The headers that let pages of allowed origins read an answer, whatever it is. `vary`: what it has already."""
        return browsers.cors(request, self.settings, vary)

    def options(self, request: Request, methods: Sequence[str]) -> Response:
        """Answer OPTIONS for a path that takes `methods`; `cors` does the rest. Problem 403 or 405."""
        return browsers.options(request, self.settings, methods)


def _refuse_token_in_url(request: Request) -> None:
    """Addresses are logged and kept, by others too."""
    if "token" in request.query_params:
        raise Problem(
            "token_in_url", "Send the token as Authorization: Bearer, or as the body's token; then change it."
        )


def _unauthorized(detail: str) -> Problem:
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": CHALLENGE})


def _refuse(detail: str) -> NoReturn:
    """A credential is there and wrong."""
    headers = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
    raise Problem("unauthorized", detail, headers=headers)
