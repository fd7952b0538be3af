"""A request is sent again if its connection was closed before a response, and not a third time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.load.sending import send

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def closing(times: int) -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """Provide a client of a server that closes so many connections first, and the requests that arrived."""
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if len(requests) > times:
            writer.write(ACCEPTED)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client, requests


async def test_a_request_without_a_response_is_sent_again():
    async with closing(times=1) as (client, requests):
        assert (await send(client)).status_code == 202
    assert len(requests) == 2


async def test_it_is_not_sent_a_third_time():
    async with closing(times=2) as (client, requests):
        with pytest.raises(httpx.RemoteProtocolError):
            await send(client)
    assert len(requests) == 2
