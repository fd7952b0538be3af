"""Hosting an input image: a file, or the address of one, becomes an address on the CDN. Free."""

import asyncio
import json
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import keys
from .case import Case
from .files import content_at, is_ours
from .media import LIMIT, kind_of
from .order import Unfit
from .refusals import refusal
from .state import Simulator

TOO_LARGE = "File is too large. Maximum size: 25 MB"


async def upload(case: Case, simulator: Simulator) -> Response:
    """Keep an image and say where it is."""
    unauthorized = keys.refused(case)
    if unauthorized:
        return unauthorized
    try:
        content = await _content(case, simulator)
        kind = await _kind(content)
    except Unfit as unfit:
        return refusal(unfit.status, str(unfit), case.style)
    return JSONResponse({"data": {"url": case.cdn + await simulator.media.keep(content, kind)}})


async def _content(case: Case, simulator: Simulator) -> bytes:
    declared = case.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared == "multipart/form-data":
        return await _file(case.request)
    if declared == "application/json":
        return await _behind(await _url(case.request), case, simulator)
    raise Unfit(415, "Content-Type must be multipart/form-data or application/json")


async def _kind(content: bytes) -> str:
    if len(content) > LIMIT:
        raise Unfit(413, TOO_LARGE)
    kind = await asyncio.to_thread(kind_of, content)
    if kind is None:
        raise Unfit(400, "The file is not a PNG, JPEG, WebP, GIF or AVIF image")
    return kind


async def _file(request: Request) -> bytes:
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Unfit(400, "Missing required fields: file")
            if not (file.content_type or "").startswith("image/"):
                raise Unfit(415, f"Unsupported file type: {file.content_type}")
            return await file.read(LIMIT + 1)
    except (HTTPException, MultiPartException) as malformed:
        raise Unfit(400, "Malformed multipart body") from malformed


async def _url(request: Request) -> str:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Unfit(400, "Invalid JSON body") from error
    url = body.get("url") if isinstance(body, dict) else None
    if not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise Unfit(400, "Missing required fields: url")
    return url


async def _behind(url: str, case: Case, simulator: Simulator) -> bytes:
    if is_ours(url, case):
        found = await content_at(urlsplit(url).path, simulator)
        if found is None:
            raise Unfit(400, "The URL could not be fetched")
        return found[0]
    try:
        return await simulator.fetch(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unfit(400, "The URL could not be fetched") from error
