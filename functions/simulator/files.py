"""The CDN, and the download proxy that fetches from it."""

import asyncio
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .case import Case
from .pictures import Picture, render
from .refusals import refusal
from .routes import Call, Endpoint, route
from .state import Simulator

# "only for": the vendor's own client.
PROXIED_HOSTS = (
    "cdn.wireflow.ai",
    "cdn.atomu.ai",
    "fal.media",
    "replicate.delivery",
    "storage.googleapis.com",
    "oaidalleapiprodscus.blob.core.windows.net",
)


async def picture(case: Case, _simulator: Simulator) -> Response:
    """One picture of a run."""
    wanted = wanted_picture(case)
    if wanted is None:
        return PlainTextResponse("Not found", 404)
    body = await asyncio.to_thread(render, wanted)
    return Response(body, 200, {"cache-control": "public, max-age=3600"}, wanted.content_type)


async def download(case: Case, simulator: Simulator) -> Response:
    """The bytes behind a URL, for the hosts that the vendor's proxy knows and for the CDN here."""
    url = urlsplit(case.request.query_params.get("url", ""))
    ours = urlsplit(case.cdn).netloc
    if url.netloc != ours and url.hostname not in PROXIED_HOSTS:
        return refusal(400, "URL host is not allowed", case.style)
    return await picture(case, simulator)


def execution_of(call: Call, request: Request) -> str:
    """The execution that a request is about; for the proxy it stands in the `url`."""
    if call.endpoint is not Endpoint.DOWNLOAD:
        return call.id
    file = route("GET", _path(request))
    return file.id if file else ""


def wanted_picture(case: Case) -> Picture | None:
    """The picture that a request is about."""
    pictures = case.run.pictures() if case.run else ()
    proxied = case.call.endpoint is Endpoint.DOWNLOAD
    path = _path(case.request) if proxied else case.request.url.path
    return next((picture for picture in pictures if picture.path == path), None)


def _path(request: Request) -> str:
    return urlsplit(request.query_params.get("url", "")).path
