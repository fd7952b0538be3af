"""The one table of faults: what each does, where it may strike, and how often in a prompt that names it."""

from collections.abc import Mapping
from dataclasses import dataclass

from . import stories, strikes
from .routes import API, FILES, PAID, Endpoint
from .stories import Story
from .strikes import Afterwards, Instead
from .wire import Break

CDN = (Endpoint.CDN,)
TOLD = (Endpoint.POLL, Endpoint.DETAILS)
EVERYWHERE = (*API, *FILES)


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. Exactly one of `instead`, `afterwards` and `story` says how.

    `at` is where it may be asked for, `usual` where it strikes when nobody says; `times` is how often one
    prompt that names it is struck (None: always). A story belongs to a run and is chosen when that starts.
    """

    name: str
    what: str
    at: tuple[Endpoint, ...]
    usual: tuple[Endpoint, ...]
    times: int | None = None
    instead: Instead | None = None
    afterwards: Afterwards | None = None
    story: Story | None = None
    pictures: int = 1  # a run with this story draws at least so many
    keeps_answer: bool = False  # the answer is kept under the request's key, and replayed for it


def _refused(name: str, what: str, instead: Instead, times: int | None = None) -> Fault:
    return Fault(name, what, API, PAID, times, instead=instead)


def _wire(name: str, what: str, how: Break, usual: tuple[Endpoint, ...]) -> Fault:
    return Fault(name, what, EVERYWHERE, usual, 1, afterwards=strikes.broken(how))


def _file(name: str, what: str, instead: Instead, at: tuple[Endpoint, ...] = FILES) -> Fault:
    return Fault(name, what, at, at, instead=instead)


def _run(name: str, what: str, story: Story, at: tuple[Endpoint, ...] = TOLD, pictures: int = 1) -> Fault:
    return Fault(name, what, at, at, story=story, pictures=pictures)


_REFUSED = (
    _refused("rate_limited_seconds", "429, Retry-After in seconds", strikes.wait_in_seconds, 1),
    _refused("rate_limited_date", "429, Retry-After as an HTTP date", strikes.wait_until_date, 1),
    _refused("rate_limited_reset", "429, only X-RateLimit-Reset", strikes.wait_until_reset, 1),
    _refused("rate_limited_epoch", "429, only an epoch in the body", strikes.wait_until_epoch, 1),
    _refused("insufficient_credits", "402 with its amounts", strikes.credits_flat),
    _refused("insufficient_credits_typed", "402 typed, without amounts", strikes.credits_typed),
    _refused("bad_request", "400, a field is missing", strikes.status(400, "Missing required fields: prompt")),
    _refused("workflow_inactive", "400, not active", strikes.status(400, "Workflow is not active")),
    _refused("key_expired", "401, the key has expired", strikes.status(401, "API key has expired")),
    _refused("forbidden", "403", strikes.status(403, "Forbidden")),
    _refused("not_found", "404", strikes.status(404, "Workflow not found")),
    _refused("conflict", "409", strikes.status(409, "A request with this key is in progress")),
    _refused("too_large", "413", strikes.status(413, "Request body is too large")),
    _refused("unprocessable", "422", strikes.status(422, "Workflow graph failed validation")),
    _refused("server_error_once", "500, once", strikes.status(500, "Internal server error"), 1),
    _refused("server_error", "500, for good", strikes.status(500, "Internal server error")),
    _refused("unavailable", "503 with Retry-After, once", strikes.unavailable, 1),
    _refused("html_error", "502 with an HTML page", strikes.gateway_page),
    _refused("redirect", "301 to www", strikes.to_www),
)

_WIRE = (
    Fault("hang", "no answer, nothing done", EVERYWHERE, PAID, 1, instead=strikes.hang),
    Fault("hang_after_start", "no answer, run started", PAID, PAID, 1, afterwards=strikes.broken(Break.HANG)),
    _wire("cut_in_header", "all done, the connection ends in the header", Break.CUT_IN_HEADER, PAID),
    _wire("cut_in_body", "all done, the connection ends in the body", Break.CUT_IN_BODY, CDN),
    _wire("wrong_content_length", "Content-Length promises more than there is", Break.WRONG_LENGTH, CDN),
    _wire("early_end", "no Content-Length, and half of the body", Break.EARLY_END, CDN),
    _wire("slow_first_byte", "the whole answer, late", Break.SLOW_FIRST_BYTE, PAID),
    _wire("trickle", "the whole answer, in drops", Break.TRICKLE, CDN),
    Fault("no_execution_id", "202 without an id, run started", PAID, PAID, 1, afterwards=strikes.without_id),
    Fault(
        "replayed_first_answer",
        "429 once; that answer is kept under the key and replayed for it",
        PAID,
        PAID,
        1,
        instead=strikes.wait_in_seconds,
        keeps_answer=True,
    ),
)

_FILES = (
    _file("blocked_user_agent", "403 to python and curl", strikes.blocked_client, CDN),
    _file("cdn_forbidden", "403 by the CDN, the download proxy works", strikes.plain(403, "Forbidden"), CDN),
    _file("expired_403", "image URL dead, 403", strikes.plain(403, "Request has expired")),
    _file("expired_404", "image URL dead, 404", strikes.plain(404, "Not found")),
    _file("expired_410", "image URL dead, 410", strikes.plain(410, "Gone")),
    _file("image_too_large", "longer than any limit, and says so", strikes.large(announced=True)),
    _file("image_too_large_unannounced", "longer than any limit, length unsaid", strikes.large(announced=False)),
    _file("not_an_image", "an archive, called image/png", strikes.not_an_image),
    _file("html_instead_of_image", "200 and an HTML page", strikes.html_page),
    _file("redirect_to_private", "302 to a private address", strikes.to_private_address),
)

_RUNS = (
    _run("lower_case", "status words in lower case", stories.in_lower_case, (*PAID, *TOLD)),
    _run("wrapped", "answers under `data`", stories.wrapped, (*PAID, *TOLD)),
    _run("nested", "answers under `data`, in executionRuns", stories.nested, (*PAID, *TOLD)),
    _run("completed_without_image", "COMPLETED, no picture", stories.without_image),
    _run("image_before_end", "the picture is told while the run goes on", stories.image_before_end),
    _run("same_url_thrice", "one URL in three places", stories.repeated),
    _run("several_images", "at least three pictures", stories.unchanged, pictures=3),
    _run("moderation", "FAILED by the provider's refusal, the run's error null", stories.moderation),
    _run("failed", "FAILED, with words", stories.failed),
    _run("cancelled", "CANCELLED", stories.cancelled),
    _run("timeout", "TIMEOUT", stories.timeout),
    _run("unknown_status", "a status word that nobody published", stories.unknown_status),
    _run("missing_status", "no status word", stories.missing_status),
    _run("stuck", "RUNNING for ever in polls; the details know better", stories.endless, (Endpoint.POLL,)),
    _run("never_ends", "RUNNING for ever, in the details too", stories.endless),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in (*_REFUSED, *_WIRE, *_FILES, *_RUNS)}
