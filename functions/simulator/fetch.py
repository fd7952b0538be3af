"""Images at addresses elsewhere, for uploads by URL: not more of one than the limit and a byte."""

import httpx

from .media import LIMIT

SECONDS = 10.0


async def fetch(url: str) -> bytes:
    """What is there; httpx.HTTPError or httpx.InvalidURL if nothing is. Redirects are not followed."""
    content = bytearray()
    async with httpx.AsyncClient(timeout=SECONDS) as http, http.stream("GET", url) as response:
        response.raise_for_status()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > LIMIT:
                break
    return bytes(content[: LIMIT + 1])
