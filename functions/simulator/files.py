"""Images over HTTP: the CDN, the download proxy in front of it, and the upload of input images."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .api import Exchange, Rejected
from .images import upload_format
from .state import State

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
_FETCH_SECONDS = 10.0
# The only hosts of the proxy, says the vendor's own client.
_PROXIED_HOSTS = (
    "cdn.wireflow.ai",
    "cdn.atomu.ai",
    "fal.media",
    "replicate.delivery",
    "storage.googleapis.com",
    "oaidalleapiprodscus.blob.core.windows.net",
)


async def serve(exchange: Exchange, state: State) -> Response:
    """Return an image of a run, or an uploaded image."""
    return await _file(exchange.request.url.path, state)


async def download(exchange: Exchange, state: State) -> Response:
    """Return the bytes at a URL of the CDN or of a host that Wireflow's proxy knows."""
    url = urlsplit(exchange.request.query_params.get("url", ""))
    if url.netloc != urlsplit(state.cdn_url(exchange)).netloc and url.hostname not in _PROXIED_HOSTS:
        raise Rejected(400, "URL host is not allowed")
    return await _file(url.path, state)


async def upload(exchange: Exchange, state: State) -> Response:
    """Store an image, sent as a file or as a URL, and return its URL on the CDN. Free."""
    content = await _uploaded(exchange, state)
    if len(content) > MAX_UPLOAD_BYTES:
        raise Rejected(413, "File is too large. Maximum size: 25 MB")
    image_format = await asyncio.to_thread(upload_format, content)
    if image_format is None:
        raise Rejected(400, "The file is not a PNG, JPEG, WebP, GIF or AVIF image")
    url = state.cdn_url(exchange) + await state.uploads.add(content, image_format)
    return JSONResponse({"data": {"url": url}})


async def fetch(url: str) -> bytes:
    """Download at most the limit and one byte; httpx.HTTPError or httpx.InvalidURL if that fails. No redirects."""
    content = bytearray()
    async with httpx.AsyncClient(timeout=_FETCH_SECONDS) as http, http.stream("GET", url) as response:
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_UPLOAD_BYTES:
                break
    return bytes(content[: MAX_UPLOAD_BYTES + 1])


async def _file(path: str, state: State) -> Response:
    found = await state.read_file(path)
    if found is None:
        return PlainTextResponse("Not found", 404)
    return Response(found[0], 200, {"cache-control": "public, max-age=3600"}, found[1])


async def _uploaded(exchange: Exchange, state: State) -> bytes:
    media_type = exchange.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return await _read_multipart(exchange.request)
    if media_type == "application/json":
        return await _read_url(await _requested_url(exchange.request), exchange, state)
    raise Rejected(415, "Content-Type must be multipart/form-data or application/json")


async def _read_multipart(request: Request) -> bytes:
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Rejected(400, "Missing required fields: file")
            if not (file.content_type or "").startswith("image/"):
                raise Rejected(415, f"Unsupported file type: {file.content_type}")
            return await file.read(MAX_UPLOAD_BYTES + 1)
    except (HTTPException, MultiPartException) as error:
        raise Rejected(400, "Malformed multipart body") from error


async def _requested_url(request: Request) -> str:
    try:
        body: Any = json.loads(await request.body())
    except ValueError as error:
        raise Rejected(400, "Invalid JSON body") from error
    url = body.get("url") if isinstance(body, dict) else None
    if not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise Rejected(400, "Missing required fields: url")
    return url


async def _read_url(url: str, exchange: Exchange, state: State) -> bytes:
    if state.is_own_url(url, exchange):
        found = await state.read_file(urlsplit(url).path)
        if found is None:
            raise Rejected(400, "The URL could not be fetched")
        return found[0]
    try:
        return await state.fetch(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Rejected(400, "The URL could not be fetched") from error
