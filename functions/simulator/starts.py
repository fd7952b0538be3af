"""The three paid calls, answered as published: a webhook's trigger, a run by inputs, a graph to execute."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from starlette.responses import JSONResponse, Response

from . import graph, keys, saved, shapes
from .asked import asked
from .book import Wish, check_prompt, with_stories
from .case import Case
from .files import content_at, is_ours
from .order import Unfit
from .pictures import count_of
from .refusals import rate_limited, refusal
from .routes import PAID, Endpoint
from .shapes import progress
from .state import Simulator
from .thumbnail import InputImage
from .world import Run

# "The executor refuses other image hosts": the vendor's own client.
OTHER_HOST = "The image host is not allowed: upload the image with POST /api/v1/media/upload first"
NO_IMAGE = "The input image could not be loaded"

_CHECKS: Mapping[Endpoint, Callable[[Mapping[str, Any]], None]] = {
    Endpoint.RUN: saved.check,
    Endpoint.EXECUTE: graph.check,
}


async def start(case: Case, simulator: Simulator) -> Response:
    """Start a run and pay for it."""
    refused = _refused(case)
    if refused:
        return refused
    image, trouble = await _input(case, simulator)
    # While the image was read, the same key may have started its run.
    replay = await first_answer(case, simulator)
    if replay:
        return replay
    exceeded = simulator.limits.execution(simulator.world.starts(), case.now)
    if exceeded:
        return rate_limited(exceeded, case.now, case.style)
    run = _new_run(case, simulator, image, trouble)
    await simulator.world.start(run)
    simulator.stats.starts += 1
    return _started(case, run)


async def first_answer(case: Case, simulator: Simulator) -> Response | None:
    """The answer that this Idempotency-Key has had already, if keys are honoured."""
    if case.call.endpoint not in PAID or not case.key or not simulator.settings.honour_keys or _unauthorized(case):
        return None
    run = await simulator.world.first_with(case.call.id, case.key, case.now)
    replay = _started(case, run) if run else simulator.kept.get((case.call.id, case.key))
    simulator.stats.replays += replay is not None
    return replay


def _refused(case: Case) -> Response | None:
    """Why nothing is started; None if nothing speaks against it."""
    settings = case.settings
    ids = {
        Endpoint.TRIGGER: settings.webhook_id,
        Endpoint.RUN: settings.run_id,
        Endpoint.EXECUTE: settings.execute_id,
    }
    unauthorized = _unauthorized(case)
    if unauthorized:
        return unauthorized
    if case.call.id != ids[case.call.endpoint]:
        return refusal(404, "Workflow not found", case.style)
    try:
        check_prompt(case.prompt)
        _check(case)
    except Unfit as unfit:
        return refusal(unfit.status, str(unfit), case.style)
    except ValueError as fault:
        return refusal(400, str(fault), case.style)
    return None


def _unauthorized(case: Case) -> Response | None:
    return None if case.call.endpoint is Endpoint.TRIGGER else keys.refused(case)


def _check(case: Case) -> None:
    """Unfit for a body that the endpoint does not take; a webhook takes any."""
    if case.call.endpoint is Endpoint.TRIGGER:
        return
    _CHECKS[case.call.endpoint](case.body)
    image = asked(case.call.endpoint, case.body).image
    if image and not (isinstance(image, str) and is_ours(image, case)):
        raise Unfit(422, OTHER_HOST)


async def _input(case: Case, simulator: Simulator) -> tuple[InputImage | None, str | None]:
    """The image that the run begins with, or why the executor will fail it."""
    url = asked(case.call.endpoint, case.body).image
    if not url:
        return None, None
    if not (isinstance(url, str) and is_ours(url, case)):
        return None, OTHER_HOST
    found = await content_at(urlsplit(url).path, simulator)
    try:
        return (await asyncio.to_thread(InputImage.of, found[0]), None) if found else (None, NO_IMAGE)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None, NO_IMAGE


def _new_run(case: Case, simulator: Simulator, image: InputImage | None, trouble: str | None) -> Run:
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
        count=max(least, count_of(asked(case.call.endpoint, case.body).fields)),
        stories=stories,
        endpoint=case.call.endpoint,
        input=image,
        refused=trouble,
    )


def _started(case: Case, run: Run) -> Response:
    told = with_stories(progress(run, case.now, case.style, case.cdn), case.call.endpoint)
    body = shapes.started(told)
    if run.endpoint is not Endpoint.EXECUTE:
        return JSONResponse(body, 202)
    # https://www.wireflow.ai/docs/api/executions: the long answer comes with its address.
    there = f"{case.base}/api/v1/workflows/executions/{run.execution_id}/poll"
    return JSONResponse(body, 201, {"Location": there} if "executionRuns" in body.get("data", body) else {})
