"""The one table of faults: what Wireflow does, where, and how often for one prompt; and which fault is due now.

A fault is chosen by `[fault:NAME]` or `[fault:NAME@ENDPOINT]` in a prompt, or by a rule of POST /_faults. It replies
instead of the endpoint, spoils the endpoint's response, or changes how a run turns out.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import Response

from .api import API, FILES, PAID, STATUS, Endpoint, Rejected, error_response
from .fault_responses import (
    ARCHIVE,
    GATEWAY_PAGE,
    SIGN_IN_PAGE,
    Break,
    block_scripts,
    hang,
    oversized_image,
    redirect_to_private,
    redirect_to_www,
    static,
    without_execution_id,
)
from .run_effects import RunEffect
from .settings import Settings, Style

# A reply instead of the endpoint's; None if this request is spared.
Reply = Callable[[Request, datetime, Settings], Response | None]

CDN = (Endpoint.CDN,)
EVERYWHERE = (*API, *FILES)
ANY = "any"
MEMBERS = ("fault", "times", "share", "for")  # of a rule of POST /_faults
_IN_PROMPT = re.compile(r"\[fault:([\w-]+(?:@[\w-]+)?)\]")


@dataclass(frozen=True)
class Fault:
    """One way in which Wireflow misbehaves. Exactly one of `reply`, `breaks`, `edit` and `run` is set.

    `at`: where it can be asked for; `default_at`: where it occurs if a rule or prompt names no endpoint; `times`: how
    often it occurs for one prompt that names it (None: always). An effect on a run is chosen when the run starts.
    """

    name: str
    description: str
    at: tuple[Endpoint, ...]
    default_at: tuple[Endpoint, ...]
    times: int | None = None
    reply: Reply | None = None
    stores_reply: bool = False  # the reply is replayed for its idempotency key
    breaks: Break | None = None
    edit: Callable[[Response], Response] | None = None
    run: RunEffect | None = None
    min_images: int = 1  # that the run generates

    def to_json(self) -> dict[str, Any]:
        """Return the fault as GET /_faults lists it."""
        places = {"at": [*self.at], "usual": [*self.default_at]}
        return {"fault": self.name, "what": self.description, **places, "times": self.times}


# --- The table ------------------------------------------------------------------------------------------------------

_WAIT = timedelta(seconds=5)
_RETRY_AFTER = {"Retry-After": str(_WAIT.seconds)}
_too_many = partial(Rejected, 429, "Too many workflow executions. Please try again later.")
_NO_CREDITS = "Insufficient credits. Required: 10, Available: 3"
_CREDITS: dict[str, Any] = {
    "insufficientCredits": True,
    "requiredCredits": 10,
    "availableCredits": 3,
    "breakdown": [{"nodeId": "gen-1", "nodeLabel": "Nano Banana Pro", "credits": 10}],
}
_MODERATED = "The provider's safety system rejected the prompt: content policy violation (moderation)."
_PROVIDER_FAILED = "The provider answered with an error: internal model failure."
# https://docs.fal.ai/model-apis/errors
_FLAGGED = {
    "detail": [
        {
            "loc": ["body", "prompt"],
            "msg": "The content could not be processed because it was flagged by a content checker.",
            "type": "content_policy_violation",
        }
    ]
}
_TIMED_OUT = 'Timed out after 300 s while drawing "a sign about road safety and content policy".'


def _reject(
    name: str,
    description: str,
    error: Rejected | Callable[[datetime], Rejected],
    times: int | None = None,
    *,
    typed: bool | None = None,
) -> Fault:
    """An error of the API; `typed` overrides the form of the style."""

    def reply(_request: Request, now: datetime, settings: Settings) -> Response:
        rejected = error if isinstance(error, Rejected) else error(now)
        return error_response(rejected, typed=settings.style != Style.FLAT if typed is None else typed)

    return Fault(name, description, API, PAID, times, reply=reply)


def _break(name: str, description: str, how: Break, default_at: tuple[Endpoint, ...]) -> Fault:
    return Fault(name, description, EVERYWHERE, default_at, 1, breaks=how)


def _file(name: str, description: str, reply: Reply, at: tuple[Endpoint, ...] = FILES) -> Fault:
    return Fault(name, description, at, at, reply=reply)


def _run(name: str, description: str, effect: RunEffect, at: tuple[Endpoint, ...] = STATUS) -> Fault:
    return Fault(name, description, at, at, run=effect)


def _oversized(*, announced: bool) -> Reply:
    return lambda _request, _now, settings: oversized_image(settings.large_bytes, announced=announced)


def _epoch(now: datetime) -> int:
    return math.ceil((now + _WAIT).timestamp())


_TABLE = (
    # A call is rejected.
    _reject("rate_limited_seconds", "429, Retry-After in seconds", _too_many(_RETRY_AFTER), 1),
    _reject(
        "rate_limited_date",
        "429, Retry-After as an HTTP date",
        lambda now: _too_many({"Retry-After": format_datetime(now + _WAIT, usegmt=True)}),
        1,
    ),
    _reject(
        "rate_limited_reset",
        "429, only X-RateLimit-Reset",
        lambda now: _too_many({"X-RateLimit-Reset": str(_epoch(now))}),
        1,
    ),
    _reject("rate_limited_epoch", "429, only an epoch in the body", lambda now: _too_many(retryAfter=_epoch(now)), 1),
    _reject("insufficient_credits", "402 with amounts", Rejected(402, _NO_CREDITS, **_CREDITS), typed=False),
    _reject("insufficient_credits_typed", "402 with a type, without amounts", Rejected(402, _NO_CREDITS), typed=True),
    _reject("bad_request", "400, a field is missing", Rejected(400, "Missing required fields: prompt")),
    _reject("workflow_inactive", "400, the workflow is not active", Rejected(400, "Workflow is not active")),
    _reject("key_expired", "401, the API key has expired", Rejected(401, "API key has expired")),
    _reject("forbidden", "403", Rejected(403, "Forbidden")),
    _reject("not_found", "404", Rejected(404, "Workflow not found")),
    _reject("conflict", "409", Rejected(409, "A request with this key is in progress")),
    _reject("too_large", "413", Rejected(413, "Request body is too large")),
    _reject("unprocessable", "422", Rejected(422, "Workflow graph failed validation")),
    _reject("server_error_once", "500, once", Rejected(500, "Internal server error"), 1),
    _reject("server_error", "500, always", Rejected(500, "Internal server error")),
    _reject("unavailable", "503 with Retry-After, once", Rejected(503, "Service unavailable", _RETRY_AFTER), 1),
    Fault("html_error", "502 with an HTML page", API, PAID, reply=static(502, GATEWAY_PAGE, "text/html")),
    Fault("redirect", "301 to www", API, PAID, reply=redirect_to_www),
    # A response breaks.
    Fault("hang", "no response, nothing is done", EVERYWHERE, PAID, 1, reply=hang),
    Fault("hang_after_start", "no response, the run is started", PAID, PAID, 1, breaks=Break.HANG),
    _break("cut_in_header", "all is done, the connection ends in the header", Break.CUT_IN_HEADER, PAID),
    _break("cut_in_body", "the connection ends in the body", Break.CUT_IN_BODY, CDN),
    _break("wrong_content_length", "Content-Length is larger than the body", Break.WRONG_LENGTH, CDN),
    _break("early_end", "half of the body, without Content-Length", Break.EARLY_END, CDN),
    _break("slow_first_byte", "the complete response, late", Break.SLOW_FIRST_BYTE, PAID),
    _break("trickle", "the complete response, in small chunks", Break.TRICKLE, CDN),
    Fault("no_execution_id", "202 without an id, the run is started", PAID, PAID, 1, edit=without_execution_id),
    replace(
        _reject("replayed_first_answer", "429 once, replayed for its key", _too_many(_RETRY_AFTER), 1),
        at=PAID,
        stores_reply=True,
    ),
    # An image cannot be downloaded.
    _file("blocked_user_agent", "403 to python and curl", block_scripts, CDN),
    _file("cdn_forbidden", "403 from the CDN, the download proxy works", static(403, "Forbidden"), CDN),
    _file("expired_403", "the image URL has expired, 403", static(403, "Request has expired")),
    _file("expired_404", "the image URL has expired, 404", static(404, "Not found")),
    _file("expired_410", "the image URL has expired, 410", static(410, "Gone")),
    _file("image_too_large", "a huge image, with Content-Length", _oversized(announced=True)),
    _file("image_too_large_unannounced", "a huge image, without Content-Length", _oversized(announced=False)),
    _file("not_an_image", "an archive, sent as image/png", static(200, ARCHIVE, "image/png")),
    _file("html_instead_of_image", "200 and an HTML page", static(200, SIGN_IN_PAGE, "text/html")),
    _file("redirect_to_private", "302 to a private address", redirect_to_private),
    # A run turns out differently.
    _run("lower_case", "statuses in lower case", RunEffect(lower_case=True), (*PAID, *STATUS)),
    _run("wrapped", "responses under `data`", RunEffect(style=Style.WRAPPED), (*PAID, *STATUS)),
    _run("nested", "responses under `data`, in executionRuns", RunEffect(style=Style.NESTED), (*PAID, *STATUS)),
    _run("completed_without_image", "COMPLETED without an image", RunEffect(without_images=True)),
    _run("image_before_end", "the image is reported while the run is RUNNING", RunEffect(early_images=True)),
    _run("same_url_thrice", "one URL in three places", RunEffect(repeated_urls=True)),
    replace(_run("several_images", "at least three images", RunEffect()), min_images=3),
    _run("moderation", "FAILED by moderation, the run's error is null", RunEffect("FAILED", None, _MODERATED)),
    _run("content_checker", "FAILED with the error object of a provider", RunEffect("FAILED", None, _FLAGGED)),
    _run("text_instead_of_image", "COMPLETED with a text", RunEffect(text="I cannot draw that.", without_images=True)),
    _run("failed", "FAILED with an error", RunEffect("FAILED", _PROVIDER_FAILED, _PROVIDER_FAILED)),
    _run("cancelled", "CANCELLED", RunEffect("CANCELLED")),
    _run("timeout", "TIMEOUT", RunEffect("TIMEOUT")),
    _run("succeeded_word", "SUCCEEDED instead of COMPLETED", RunEffect(final_status="SUCCEEDED")),
    _run("error_word", "ERROR instead of FAILED, a timeout that quotes", RunEffect("ERROR", None, _TIMED_OUT)),
    _run("unknown_final_status", "an unpublished status at the end, with images", RunEffect(final_status="ARCHIVED")),
    _run("signed_again", "each response signs the URLs again", RunEffect(early_images=True, signs_urls=True)),
    _run("inline_image", "5 MiB of base64 beside each URL", RunEffect(inline_bytes=5 * 1024 * 1024)),
    _run("unknown_status", "an unpublished status while it runs", RunEffect(running_status="WARMING_UP")),
    _run("missing_status", "no status while it runs", RunEffect(running_status="")),
    _run("stuck", "RUNNING forever in polls, COMPLETED in the details", RunEffect(never_ends=True), (Endpoint.POLL,)),
    _run("never_ends", "RUNNING forever, in the details too", RunEffect(never_ends=True)),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _TABLE}


# --- The schedule ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FaultRef:
    """A fault and where it occurs, written `name` or `name@endpoint`."""

    fault: Fault
    at: tuple[Endpoint, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it; ValueError says what is wrong."""
        name, _, endpoint = text.partition("@")
        if name not in FAULTS:
            raise ValueError(f"The simulator has no fault {name!r}. Its README and GET /_faults list the faults.")
        fault = FAULTS[name]
        if endpoint and endpoint not in fault.at:
            raise ValueError(f"{name} occurs at {', '.join(fault.at)}, not at {endpoint!r}")
        return cls(fault, (Endpoint(endpoint),) if endpoint else fault.default_at)


@dataclass
class FaultRule:
    """A rule of POST /_faults: `times` times, for a share of the requests or runs, or (neither) always."""

    name: str  # of a fault, or ANY
    at: tuple[Endpoint, ...]  # empty: where the fault occurs by default
    times: int | None
    share: float | None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read `{"fault", "times" | "share", "for"}`; ValueError says what is wrong."""
        if unknown := sorted(body.keys() - set(MEMBERS)):
            raise ValueError(f"there is no member {unknown[0]}; a rule has {', '.join(MEMBERS)}")
        name, times, share, endpoint = (body.get(key) for key in MEMBERS)
        if name != ANY:
            FaultRef.parse(f"{name}@{endpoint}" if endpoint else str(name))
        if times is not None and not (isinstance(times, int) and times > 0):
            raise ValueError("times must be a whole number above 0")
        if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
            raise ValueError("share must be between 0 and 1")
        return cls(str(name), (Endpoint(endpoint),) if endpoint else (), times, share)

    def request_faults(self, endpoint: Endpoint) -> list[Fault]:
        """Return the faults that may occur in a request to this endpoint; for ANY all that fit."""
        if self.name == ANY:
            fits = not self.at or endpoint in self.at
            return [fault for fault in FAULTS.values() if fits and endpoint in fault.at and not fault.run]
        fault = FAULTS[self.name]
        return [fault] if endpoint in (self.at or fault.default_at) and not fault.run else []

    def run_faults(self) -> list[str]:
        """Return the faults that may occur in a run, as the ledger writes them."""
        if self.name == ANY:
            return [f.name for f in FAULTS.values() if f.run and set(self.at or f.at) & set(f.at)]
        return [self.name + "".join(f"@{endpoint}" for endpoint in self.at)] if FAULTS[self.name].run else []

    def to_json(self) -> dict[str, Any]:
        """Return the rule with the times that are left."""
        return {"fault": self.name, "for": [*self.at], "times": self.times, "share": self.share}


class FaultSchedule:
    """The rules of POST /_faults, and how often the faults in each prompt occurred. The seed decides all chances."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.rules: list[FaultRule] = []
        self._random = random.Random(self._seed)  # noqa: S311 - chooses faults, not secrets
        self._occurred: Counter[tuple[str, str, Endpoint]] = Counter()

    def next_fault(self, endpoint: Endpoint, prompt: str, execution_id: str | None) -> Fault | None:
        """Return the fault of this request, and count it. ValueError if the prompt names an unknown fault."""
        for ref in faults_in(prompt):
            fault, key = ref.fault, (execution_id or prompt, ref.fault.name, endpoint)
            spent = fault.times is not None and self._occurred[key] >= fault.times
            if endpoint in ref.at and not fault.run and not spent:
                self._occurred[key] += 1
                return fault
        for rule in self.rules:
            candidates = rule.request_faults(endpoint)
            if candidates and self._is_due(rule):
                return self._random.choice(candidates)
        return None

    def draw_run_faults(self, prompt: str) -> tuple[str, ...]:
        """Return the faults of a run that starts now, as the ledger writes them."""
        named = [text for text in _IN_PROMPT.findall(prompt) if FaultRef.parse(text).fault.run]
        rules = [(rule, faults) for rule in self.rules if (faults := rule.run_faults())]
        drawn = [self._random.choice(faults) for rule, faults in rules if self._is_due(rule)]
        return tuple(dict.fromkeys(named + drawn))

    def forget_prompt(self, prompt: str) -> None:
        """Start counting again for a prompt that got its run: the next job with this prompt meets its faults again."""
        for key in [key for key in self._occurred if key[0] == prompt]:
            del self._occurred[key]

    def _is_due(self, rule: FaultRule) -> bool:
        if rule.share is not None and self._random.random() >= rule.share:
            return False
        if rule.times is not None:
            rule.times -= 1
            self.rules = [kept for kept in self.rules if kept.times != 0]
        return True


def faults_in(prompt: str) -> Iterator[FaultRef]:
    """Yield the faults that a prompt names; ValueError at one that is unknown."""
    return map(FaultRef.parse, _IN_PROMPT.findall(prompt))


def min_images(faults: tuple[str, ...]) -> int:
    """Return how many images a run with these faults has at least."""
    return max((FaultRef.parse(text).fault.min_images for text in faults), default=1)


def run_effects(faults: tuple[str, ...], endpoint: Endpoint) -> list[RunEffect]:
    """Return what a run's faults change at this endpoint."""
    refs = [FaultRef.parse(text) for text in faults]
    return [ref.fault.run for ref in refs if ref.fault.run and endpoint in ref.at]
