"""Requests that carry a key of their own, sent until they are accepted, as by every careful client."""

import asyncio
from typing import Any

import httpx

ATTEMPTS = 5


async def send(http: httpx.AsyncClient, **request: Any) -> tuple[httpx.Response, int]:
    """Return the response to `POST /` and how often it was sent again: after a 503, or without a response.

    A server may close an idle connection at the moment of a request (RFC 9112, section 9.3.1), which a machine that
    stood still for seconds makes likely. A function that died looks the same: `Function.lost_workers` tells.
    """
    for again in range(ATTEMPTS):
        try:
            response = await http.post("/", **request)
        except httpx.TransportError:
            if again == ATTEMPTS - 1:
                raise
            continue
        if response.status_code != 503:
            break
        await asyncio.sleep(int(response.headers["retry-after"]))
    return response, again
