"""Problems as those who get them can read them: JSON for programs, a page in neutral words for visitors of a form."""

import re

from starlette.requests import Request
from starlette.responses import Response

from shared.auth_settings import origin_of
from shared.log import Event
from shared.problems import PROBLEMS, Problem
from shared.workflows import IMAGES

from ..auth.cors import own_or_allowed_origin
from ..context import Context
from ..parsing.decode import read_form
from ..parsing.fields import FIELDS
from ..parsing.forms import Form
from ..parsing.media_type import body_kind
from ..parsing.pipeline import run_step
from .html import Html, fill, html_page, join
from .negotiation import wants_page

TITLE = "Something went wrong"
DETAIL_LIMIT = 500  # characters in the log
_PLAIN_NAME = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)  # others are left out of the log: visitors may write anything

_FAULTY_FORM = "The form on this website is not set up correctly. Please tell the owner of the website."
_NO_ACCESS = "You have no access to this page. If you think this is a mistake, please contact the owner of the website."
_NOT_NOW = "The service is not available at the moment. Please try again in a few minutes."
WORDS = {
    "invalid_json": _FAULTY_FORM,
    "invalid_form": _FAULTY_FORM,
    "invalid_event": _FAULTY_FORM,
    "invalid_idempotency_key": _FAULTY_FORM,
    "token_in_url": _FAULTY_FORM,
    "unauthorized": _NO_ACCESS,
    "forbidden": _NO_ACCESS,
    "challenge_failed": "We could not verify that you are human. Please go back, reload the page, and try again.",
    "not_found": "This page was not found. What was here may have been deleted.",
    "method_not_allowed": "There is no page at this address.",
    "not_cancelable": "The image can no longer be canceled.",
    "not_erasable": "The image cannot be deleted yet.",
    "not_retryable": "This image cannot be generated again.",
    "not_recopyable": "This image cannot be copied again.",
    "input_gone": "The input image is no longer stored. Please send it again.",
    "source_not_ready": "The image to start from is not ready. Please try again later.",
    "image_not_ready": "The image is not ready yet. Please try again in a few seconds.",
    "image_failed": "This image could not be generated.",
    "erased": "This image was deleted.",
    "range_not_satisfiable": "The image could not be loaded. Please reload the page.",
    "body_too_large": "The text or the file is too large. Please send less.",
    "unsupported_media_type": _FAULTY_FORM,
    "invalid_field": "A field of the form is not filled in correctly. Please check it, and try again.",
    "idempotency_key_reused": "This form has already been sent. Please go back, reload the page, and try again.",
    "job_failed": "The image could not be generated.",
    "rate_limited": "Too many images were requested. Please try again later.",
    "check_unavailable": _NOT_NOW,
    "store_unavailable": _NOT_NOW,
    "internal_error": _NOT_NOW,
}
# What visitors fill in themselves: they are told what is wrong with it, unless the form sends it in a wrong way.
_FILLED_IN = {"prompt", *IMAGES}


async def problem_response(problem: Problem, request: Request, context: Context) -> Response:
    """Return the response to a request that ends with a problem. What a page does not say is logged."""
    if not wants_page(request):
        response: Response = problem.response()
        response.headers["Vary"] = "Accept"
        return response
    detail, status = problem.detail[:DETAIL_LIMIT], PROBLEMS[problem.code].status
    field = problem.field if problem.field and _PLAIN_NAME.fullmatch(problem.field) else None
    context.deps.log.info(Event.REQUEST_REJECTED, detail, errorCode=problem.code, httpStatus=status, field=field)
    body: bytes = getattr(request.state, "body", b"")
    form = await run_step(len(body), _form, request, body)
    origins, referer = context.deps.config.auth.origins, request.headers.get("referer", "")
    can_post = _may_post(request, context)
    content = fill(
        "problem",
        words=_words(problem, form),
        form=_form_again(form, request.url.path, can_post=can_post) if form else Html(),
        back=fill("back", url=referer) if referer and origin_of(referer) in origins else Html(),
        code=problem.code,
    )
    targets = ["'self'", *origins] if form else []  # a form may be followed by a redirect to `redirectUrl`
    bar = fill("bar", content=fill("nav") if context.deps.config.playground else Html())
    page = fill("page", title=TITLE, bar=bar, content=content)
    return html_page(TITLE, page, status=status, form_targets=targets, headers=problem.headers)


def _words(problem: Problem, form: Form | None) -> str:
    """What a visitor is told: the detail of a field that the form has once, else neutral words."""
    if problem.field is None or problem.field not in _FILLED_IN:
        return WORDS[problem.code]
    names = [name for name, _ in [*form.pairs, *form.files]] if form else [problem.field]
    return problem.detail if names.count(problem.field) == 1 else _FAULTY_FORM


def _form(request: Request, body: bytes) -> Form | None:
    """The form that was sent, if it can be read. Its fields may be invalid."""
    try:
        return read_form(body_kind(request.headers), request.headers, body) if body else None
    except Problem:
        return None


def _may_post(request: Request, context: Context) -> bool:
    """Whether a form on our own page would be accepted: it has no script for a form token or a Turnstile check."""
    settings = context.deps.config.auth
    if settings.form_token_required or settings.turnstile_secret:
        return False
    return (
        settings.needs_no_credential
        or own_or_allowed_origin(request, settings, context.deps.config.public_url) is not None
    )


def _form_again(form: Form, path: str, *, can_post: bool) -> Html:
    """The form again, with everything that was sent but the files, credentials, and keys. `path`: where it was sent."""
    prompt = next((text for name, text in form.pairs if name == "prompt"), "")
    first = "\n" if prompt.startswith(("\n", "\r")) else ""  # browsers drop the first line break
    area = fill("area", text=first + prompt)
    if not can_post:
        return fill("unsent", area=area)
    sent = [(name, text) for name, text in form.pairs if name not in FIELDS or FIELDS[name].compared]
    files = [name for name, _ in form.files]
    names = [name for name in IMAGES if name in files] or IMAGES[: len(files)]
    return fill(
        "resend",
        path=path,
        fields=join(fill("hidden_field", name=name, value=text) for name, text in sent if name != "prompt"),
        area=area,
        files=join(fill("file", name=name) for name in names),
    )
