"""The plainest functions that do the same as `POST /`: what the product is compared with.

`bare` stores the request and responds, as a queued POST does. `floor` also makes the paid call and stores its outcome,
as a started POST does.
"""

import json
import os
import uuid
from datetime import UTC, datetime
from functools import cache

import functions_framework.aio
import httpx
from google.cloud.firestore import AsyncClient
from starlette.requests import Request
from starlette.responses import JSONResponse


@cache
def jobs() -> AsyncClient:
    """In the first request: the framework forks after it has imported this module."""
    return AsyncClient(project=os.environ["PROJECT"])


@cache
def wireflow() -> httpx.AsyncClient:
    # The server closes a connection that is idle for 5 s, as httpx does by default: a request may then meet its end.
    limits = httpx.Limits(keepalive_expiry=2.0)
    return httpx.AsyncClient(base_url=os.environ["WIREFLOW_BASE_URL"], timeout=8.0, limits=limits)


@functions_framework.aio.http
async def bare(request: Request) -> JSONResponse:
    """Create one document."""
    if request.method == "GET":
        return JSONResponse({"status": "ok"})
    fields = json.loads(await request.body())
    job_id = uuid.uuid4().hex
    created = {"prompt": fields["prompt"], "status": "queued", "createdAt": datetime.now(UTC)}
    await jobs().collection("jobs").document(job_id).create(created)
    return JSONResponse({"id": job_id, "status": "queued"}, 202)


@functions_framework.aio.http
async def floor(request: Request) -> JSONResponse:
    """Create one document, start the run, update the document."""
    if request.method == "GET":
        return JSONResponse({"status": "ok"})
    fields = json.loads(await request.body())
    job_id = uuid.uuid4().hex
    document = jobs().collection("jobs").document(job_id)
    created = {"prompt": fields["prompt"], "status": "triggering", "createdAt": datetime.now(UTC)}
    await document.create(created)
    started = await wireflow().post(
        f"/workflow/{os.environ['WIREFLOW_WEBHOOK_ID']}/trigger",
        json=fields,
        headers={"Idempotency-Key": f"{job_id}.1"},
    )
    execution_id = started.raise_for_status().json()["executionId"]
    await document.update({"status": "running", "executionId": execution_id, "startedAt": datetime.now(UTC)})
    return JSONResponse({"id": job_id, "status": "running"}, 202)
