"""The CDN, and the download proxy that fetches from it."""

import asyncio
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .case import Case
from .pictures import render
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


async def picture(case: Case, simulator: Simulator) -> Response:
    """One picture of a run, or an uploaded image."""
    return await _file(case.request.url.path, simulator)


async def download(case: Case, simulator: Simulator) -> Response:
    """The bytes behind a URL, for the hosts that the vendor's proxy knows and for the CDN here."""
    url = urlsplit(case.request.query_params.get("url", ""))
    ours = urlsplit(case.cdn).netloc
    if url.netloc != ours and url.hostname not in PROXIED_HOSTS:
        return refusal(400, "URL host is not allowed", case.style)
    return await _file(url.path, simulator)


def execution_of(call: Call, request: Request) -> str:
    """The execution that a request is about; for the proxy it stands in the `url`."""
    if call.endpoint is not Endpoint.DOWNLOAD:
        return call.id
    file = route("GET", urlsplit(request.query_params.get("url", "")).path)
    return file.id if file else ""


def is_ours(url: str, case: Case) -> bool:
    """Whether an address is on the CDN here, or on the host that the request came to."""
    try:
        place = urlsplit(url)
    except ValueError:
        return False
    return place.scheme in ("http", "https") and place.netloc in (urlsplit(case.cdn).netloc, case.request.url.netloc)


async def content_at(path: str, simulator: Simulator) -> tuple[bytes, str] | None:
    """The bytes and the media type of what the CDN has at a path."""
    call = route("GET", path)
    if call is None or call.endpoint is not Endpoint.CDN:
        return None
    if not call.id:
        return await simulator.media.read(path)
    run = simulator.world.find(call.id)
    found = next((picture for picture in run.pictures() if picture.path == path), None) if run else None
    return (await asyncio.to_thread(render, found), found.content_type) if found else None


async def _file(path: str, simulator: Simulator) -> Response:
    found = await content_at(path, simulator)
    if found is None:
        return PlainTextResponse("Not found", 404)
    return Response(found[0], 200, {"cache-control": "public, max-age=3600"}, found[1])
