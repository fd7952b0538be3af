"""A request with a key of its own, sent again if the connection was closed before a response, as careful clients do."""

from typing import Any

import httpx


async def send(http: httpx.AsyncClient, **request: Any) -> httpx.Response:
    """Return the response to `POST /`.

    A server may close an idle connection at the moment of a request (RFC 9112, section 9.3.1), which a machine that
    stood still for seconds makes likely. A function that died looks the same: `Function.lost_workers` tells.
    """
    try:
        return await http.post("/", **request)
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return await http.post("/", **request)
