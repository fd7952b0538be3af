"""The page of a job, for browsers and for forms without JavaScript: what happens, in plain words, and the images.

pages/job_page.js asks for the page again and replaces the parts that changed. Without JavaScript it reloads itself,
less often as the job ages.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import HTMLResponse

from shared.callers import is_visitor
from shared.error_codes import CHANGED, EXPLANATIONS, ErrorCode
from shared.job import Job
from shared.job_parts import Step
from shared.job_states import Status
from shared.problems import PROBLEMS, Problem
from shared.public_job import SENTENCES, WOULD_FAIL_AGAIN, advice, copy_problem, sentence, visitor_message
from shared.workflows import OVERRIDES

from .html import Html, fill, html_page, join

MODULE = "job_page.js"
MIN_REFRESH, MAX_REFRESH = 3, 60  # seconds
TITLES = {Status.SUCCEEDED: "Your image", Status.FAILED: "No image", Status.CANCELED: "No image"}
UNFINISHED_TITLE = "Your image is on its way"
STAGES = {
    Status.QUEUED: "Queued",
    Status.TRIGGERING: "Starting",
    Status.RUNNING: "Generating",
    Status.COPYING: "Saving",
}
_EARLIER_IMAGE = re.compile(r"jobs/(?P<job>[^/]+)/\d+/(?P<index>\d+)\.")  # the name of an image of a job
CHARGED = {"yes": "It was charged.", "no": "It was not charged.", "unknown": "It may have been charged."}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as one reader sees it. `public`: the public job; `playground`: whether this deployment has one.

    `tokens`: whether a token could show more of the job.
    """

    job: Job
    public: dict[str, Any]
    owner: bool
    playground: bool
    tokens: bool
    now: datetime


def job_page(view: JobView) -> HTMLResponse:
    """Return the page of a job."""
    job, stored, actions = view.job, _stored(view), join(_actions(view))
    title = TITLES.get(job.status, UNFINISHED_TITLE)
    beside = len(stored) == 1  # the actions are in one row with those of the only image
    content = fill(
        "job",
        id=job.id,
        status=job.status,
        attempt=job.attempt,
        request=json.dumps(_request(view)) if view.playground else "",
        message=_message(view),
        wait=_wait(view),
        stages=Html() if job.finished else _stages(job),
        images=join(_image(view, image, actions if beside else Html()) for image in stored),
        error=_explanation(view),
        actions=Html() if beside else actions,
        prompt=job.prompt,
        facts=join(fill("fact", name=name, value=value) for name, value in _facts(view)),
        access=fill("access", form=fill("access_form")) if _may_be_unlocked(view) else Html(),
    )
    head = _open_graph(view) if job.finished else _refresh(view)
    return html_page(title, _body(title, content, playground=view.playground), head=head, module=MODULE)


def private_page(job_id: str, problem: Problem, *, playground: bool) -> HTMLResponse:
    """Return the page of a job that only its caller may read: pages/job_page.js sends the token and shows the job."""
    title = "This page is private"
    content = fill("private", form=fill("access_form"), image=f"/jobs/{job_id}/image")
    body = _body(title, content, playground=playground)
    return html_page(title, body, status=PROBLEMS[problem.code].status, module=MODULE, headers=problem.headers)


def _may_be_unlocked(view: JobView) -> bool:
    """Whether a token may show more. Visitors of a form have none, and are not asked for one."""
    return view.tokens and not view.owner and not is_visitor(view.job.caller)


def _body(title: str, content: Html, *, playground: bool) -> Html:
    bar = fill("bar", content=fill("nav") if playground else Html())
    return join([fill("page", title=title, bar=bar, content=content), fill("dialog")])


# --- what happens ----------------------------------------------------------------------------------------------------


def _message(view: JobView) -> str:
    """What happens in one sentence. The owner of a failed job is told why below it."""
    if view.owner and view.job.error:
        return SENTENCES[view.job.status]
    start = view.public["estimatedStartAt"]
    return visitor_message(view.job, view.public["waitReason"], datetime.fromisoformat(start) if start else None)


def _wait(view: JobView) -> Html:
    """The place of a queued job, and when it is expected to start."""
    position, start, words = view.public["queuePosition"], view.public["estimatedStartAt"], []
    if position:
        words.append("It is next in the queue." if position == 1 else f"It is number {position} in the queue.")
    if start:
        seconds = (datetime.fromisoformat(start) - view.now).total_seconds()
        words.append(f"It is expected to start {_in_words(seconds)}.")
    return fill("wait", words=" ".join(words)) if words else Html()


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "within a minute"
    if minutes < 90:
        return f"in about {minutes} minute{'s' if minutes > 1 else ''}"
    return f"in about {round(minutes / 60)} hours"


def _stages(job: Job) -> Html:
    """How far an unfinished job is, and the steps of its run as Wireflow reports them."""
    current = list(STAGES).index(job.status)
    stages = [
        fill("stage", label=label, state=_place(index - current), current=_CURRENT if index == current else Html())
        for index, label in enumerate(STAGES.values())
    ]
    steps = [fill("step", label=step.label, state=_state(step)) for step in job.steps if step.label]
    return fill("stages", stages=join(stages), steps=fill("steps", steps=join(steps)) if steps else Html())


_CURRENT = Html(' aria-current="step"')


def _place(distance: int) -> str:
    return "current" if distance == 0 else "done" if distance < 0 else "next"


def _state(step: Step) -> str:
    if step.progress is not None and 0 < step.progress <= 100:
        return f"{step.progress:.0f} %"
    return (step.status or "").lower()


def _explanation(view: JobView) -> Html:
    """Why the job failed, waits, or cannot be copied, and the next step.

    For its owner, who can change the deployment or tell who can.
    """
    if not view.owner:
        return Html()
    if view.job.status is Status.COPYING and view.job.copy_tries:
        what, retried, step = copy_problem(view.job)
        return fill("error", message=what, hint=step, detail=retried)
    if error := view.job.error:
        detail = f"{CHARGED[error.charged]} Error code: {error.code}."
        # The page has a button for it, and for each action.
        hint = advice(view.job, error).replace(CHANGED, "start over.")
        if view.job.retryable and not error.retryable:
            hint += f" {WOULD_FAIL_AGAIN}"
        return fill("error", message=sentence(error.message), hint=hint, detail=detail)
    reason = view.public["waitReason"]
    if reason in (None, ErrorCode.RATE_LIMITED):
        return Html()
    known = EXPLANATIONS[ErrorCode(reason)]
    return fill("error", message=known.message, hint=known.wait_hint, detail=f"Reason for the wait: {reason}.")


def _refresh(view: JobView) -> Html:
    age = (view.now - view.job.created_at).total_seconds()
    return fill("refresh", seconds=round(min(max(age / 10, MIN_REFRESH), MAX_REFRESH)))


# --- the images ------------------------------------------------------------------------------------------------------


def _stored(view: JobView) -> list[dict[str, Any]]:
    """The public images, once the job is final: then all of them are stored."""
    return list(view.public["images"]) if view.job.finished else []


def _image(view: JobView, image: dict[str, Any], more: Html) -> Html:
    """An image with what can be done with it, and `more`."""
    job, index = view.job, image["index"]
    sized = image["width"] and image["height"]
    return fill(
        "image",
        path=f"/jobs/{job.id}/image/{index}",
        url=image["url"],
        alt=view.public["altText"],
        size=fill("size", width=image["width"], height=image["height"]) if sized else Html(),
        use=fill("use", id=job.id, index=index) if view.playground else Html(),
        more=more,
    )


def _open_graph(view: JobView) -> Html | None:
    """The tags that let other sites show the image beside a link. Not for private jobs."""
    if view.job.private or not _stored(view):
        return None
    public = view.public
    return fill("open_graph", text=public["altText"], url=public["statusUrl"], image=public["imageUrl"])


# --- what can be done ------------------------------------------------------------------------------------------------


def _actions(view: JobView) -> Iterator[Html]:
    job, primary = view.job, _primary(view)
    if view.owner and job.recopyable:
        yield fill("recopy")
    if view.owner and job.retryable:
        cost = view.public["estimatedCost"]
        kind = "primary" if primary == "retry" else ""
        yield fill("retry", kind=kind, cost=price(cost["amount"]) if cost else "")
    if view.playground and job.finished:
        again = job.status is Status.SUCCEEDED
        kind = "primary" if primary == "edit" else ""
        yield fill("again", id=job.id) if again else fill("edit", id=job.id, kind=kind)
    if not job.private and _stored(view):
        yield fill("share", url=view.public["statusUrl"])
    if job.status is Status.QUEUED and (view.owner or is_visitor(job.caller)):
        yield fill("cancel")


def _primary(view: JobView) -> str:
    """The next step of the owner: a free one first, and no paid run of a request that would fail again."""
    if view.job.recopyable:
        return "recopy"
    return "edit" if view.owner and view.job.error_retryable is False else "retry"


def _request(view: JobView) -> dict[str, Any]:
    """What the form of the playground sends to create the image again.

    `fields`: those that everyone with the id may know; `file`: whether an input image has to be chosen again.
    """
    job, sent = view.job, json.loads(view.job.input)
    fields = {"prompt": job.prompt, "workflow": job.workflow}
    fields |= {name: sent[name] for name in OVERRIDES if isinstance(sent.get(name), str)}
    source = _EARLIER_IMAGE.match(job.image1 or "") if view.owner and job.previous_job else None
    if source:
        fields |= {"fromJob": source["job"], "fromImage": source["index"]}
    return {"fields": fields, "file": bool(job.input_images) and source is None}


def _facts(view: JobView) -> Iterator[tuple[str, str]]:
    """What only the owner is told."""
    if not view.owner:
        return
    job = view.job
    yield "Workflow", job.workflow
    if cost := view.public["cost"] or view.public["estimatedCost"]:
        yield "Cost" if view.public["cost"] else "Estimated cost", price(cost["amount"])
    if view.public["runSeconds"] is not None:
        yield "Run", f"{view.public['runSeconds']:.0f} s"
    yield "Created", f"{job.created_at:%Y-%m-%d %H:%M} UTC"


def price(amount: float) -> str:
    """Return dollars as text: at least two decimals, and at most four."""
    return "$" + re.sub("0{1,2}$", "", f"{amount:.4f}")
