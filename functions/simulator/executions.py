"""The three paid calls: which of them start a run, with which input image, and what an idempotency key replays."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

from PIL import Image
from starlette.responses import Response

from .api import Endpoint, Exchange, Rejected
from .faults import FaultRef, FaultSchedule, faults_in, min_images
from .images import InputImage, image_count
from .limits import check_execution
from .run_requests import InvalidRequest, RunRequest, parse, validate
from .state import Run, State

# "The executor refuses other image hosts", says the vendor's own client.
_OTHER_HOST = "The image host is not allowed: upload the image with POST /api/v1/media/upload first"
_NO_IMAGE = "The input image could not be loaded"


async def start(exchange: Exchange, state: State, schedule: FaultSchedule) -> Run | Response:
    """Start a run and pay for it, or return what the idempotency key replays.

    Raises Rejected if nothing is started, and OSError if the run cannot be written to the ledger.
    """
    request = parse(exchange.endpoint, exchange.body)
    _check(exchange, request, state)
    image, failure = await _load_input(request.image, exchange, state)
    # While the image was loaded, another call with this key may have started its run.
    replay = await find_replay(exchange, state)
    if replay:
        return replay
    if state.settings.plan:
        check_execution(state.settings.plan, state.runs.starts(), exchange.now)
    execution_id = f"exec_{state.new_id()}"
    faults = schedule.draw_run_faults(request.prompt)
    started_at = exchange.now.replace(microsecond=exchange.now.microsecond // 1000 * 1000)  # the ledger's precision
    run = Run(
        execution_id=execution_id,
        workflow_id=exchange.resource_id,
        idempotency_key=exchange.idempotency_key,
        prompt=request.prompt,
        body=exchange.body,
        started_at=started_at,
        ends_at=started_at + timedelta(seconds=state.settings.seconds_of(execution_id)),
        image_count=max(min_images(faults), image_count(request.fields)),
        faults=faults,
        endpoint=exchange.endpoint,
        input=image,
        failure=failure,
    )
    state.stats.faults.update(FaultRef.parse(text).fault.name for text in faults)
    await state.runs.add(run)
    state.stats.starts += 1
    return run


async def find_replay(exchange: Exchange, state: State) -> Run | Response | None:
    """Return the run or the stored error of this idempotency key, if keys are honored."""
    key = exchange.idempotency_key
    if not key or not state.settings.honour_keys:
        return None
    run = await state.runs.find_by_key(exchange.resource_id, key, exchange.now)
    replay = run or state.stored_errors.get((exchange.resource_id, key))
    state.stats.replays += replay is not None
    return replay


def _check(exchange: Exchange, request: RunRequest, state: State) -> None:
    """Raise Rejected for another workflow, an unknown fault in the prompt, and a body that the endpoint rejects."""
    ids = {
        Endpoint.TRIGGER: state.settings.webhook_id,
        Endpoint.RUN: state.settings.run_id,
        Endpoint.EXECUTE: state.settings.execute_id,
    }
    if exchange.resource_id != ids[exchange.endpoint]:
        raise Rejected(404, "Workflow not found")
    try:
        list(faults_in(request.prompt))
        validate(exchange.endpoint, exchange.body)
    except InvalidRequest as error:
        raise Rejected(error.status, str(error)) from error
    except ValueError as error:
        raise Rejected(400, str(error)) from error
    if exchange.endpoint is Endpoint.TRIGGER:
        return  # A webhook accepts any body; the run fails if its image is on another host.
    if not all(state.is_own_url(image, exchange) for image in request.images):
        raise Rejected(422, _OTHER_HOST)


async def _load_input(url: object, exchange: Exchange, state: State) -> tuple[InputImage | None, str | None]:
    """Return the input image, or why the executor will fail the run."""
    if not url:
        return None, None
    if not state.is_own_url(url, exchange):
        return None, _OTHER_HOST
    found = await state.read_file(urlsplit(str(url)).path)
    try:
        return (await asyncio.to_thread(InputImage.of, found[0]), None) if found else (None, _NO_IMAGE)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None, _NO_IMAGE
