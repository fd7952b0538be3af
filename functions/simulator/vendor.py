"""The vendor's API: trigger, webhook health, poll and details, answered as published."""

from datetime import timedelta

from starlette.responses import JSONResponse, Response

from . import shapes
from .book import Wish, check_prompt
from .case import Case
from .pictures import count_of
from .refusals import rate_limited, refusal
from .routes import Endpoint
from .shapes import Progress, progress
from .state import Simulator
from .world import Run


async def trigger(case: Case, simulator: Simulator) -> Response:
    """Start a run and pay for it."""
    if case.call.id != simulator.settings.webhook_id:
        return refusal(404, "Workflow not found", case.style)
    try:
        check_prompt(case.prompt)
    except ValueError as fault:
        return refusal(400, str(fault), case.style)
    exceeded = simulator.limits.execution(simulator.world.starts(), case.now)
    if exceeded:
        return rate_limited(exceeded, case.now, case.style)
    run = _new_run(case, simulator)
    await simulator.world.start(run)
    simulator.stats.starts += 1
    return _started(case, run)


async def first_answer(case: Case, simulator: Simulator) -> Response | None:
    """The answer that this Idempotency-Key has had already, if keys are honoured."""
    if case.call.endpoint is not Endpoint.TRIGGER or not case.key or not simulator.settings.honour_keys:
        return None
    run = await simulator.world.first_with(case.call.id, case.key, case.now)
    replay = _started(case, run) if run else simulator.kept.get((case.call.id, case.key))
    simulator.stats.replays += replay is not None
    return replay


async def health(case: Case, simulator: Simulator) -> Response:
    """Say that the webhook is there. Free."""
    if case.call.id != simulator.settings.webhook_id:
        return refusal(404, "Workflow not found", case.style)
    return JSONResponse(shapes.health(webhook_active=True))


async def poll(case: Case, simulator: Simulator) -> Response:
    """Say how a run goes."""
    told = _told(case, simulator)
    return told if isinstance(told, Response) else JSONResponse(shapes.poll(told))


async def details(case: Case, simulator: Simulator) -> Response:
    """Say how a run goes, in full."""
    told = _told(case, simulator)
    return told if isinstance(told, Response) else JSONResponse(shapes.details(told))


def _new_run(case: Case, simulator: Simulator) -> Run:
    execution_id = f"exec_{simulator.new_id()}"
    now = case.now.replace(microsecond=case.now.microsecond // 1000 * 1000)  # the ledger has milliseconds
    stories = simulator.book.stories(case.prompt)
    simulator.stats.faults.update(Wish.of(text).fault.name for text in stories)
    least = max((Wish.of(text).fault.pictures for text in stories), default=1)
    return Run(
        execution_id=execution_id,
        webhook_id=case.call.id,
        idempotency_key=case.key,
        prompt=case.prompt,
        body=case.body,
        started_at=now,
        ends_at=now + timedelta(seconds=simulator.settings.seconds_of(execution_id)),
        count=max(least, count_of(case.body)),
        stories=stories,
    )


def _started(case: Case, run: Run) -> Response:
    told = _with_stories(progress(run, case.now, case.style, case.cdn), case.call.endpoint)
    return JSONResponse(shapes.started(run, told.style, told.lower), 202)


def _told(case: Case, simulator: Simulator) -> Progress | Response:
    wrong_key = _wrong_key(case, simulator.settings.api_key)
    if wrong_key:
        return refusal(401, wrong_key, case.style)
    if case.run is None:
        return refusal(404, "Execution not found", case.style)
    return _with_stories(progress(case.run, case.now, case.style, case.cdn), case.call.endpoint)


def _with_stories(told: Progress, endpoint: Endpoint) -> Progress:
    for text in told.run.stories:
        wish = Wish.of(text)
        if wish.fault.story and endpoint in wish.at:
            told = wish.fault.story(told)
    return told


def _wrong_key(case: Case, api_key: str) -> str | None:
    given = case.request.headers.get("authorization")
    if given is None:
        return "Missing Authorization header"
    if not given.startswith("Bearer "):
        return "Invalid API key format. Expected: Bearer sk-..."
    return None if given == f"Bearer {api_key}" else "Invalid API key"
