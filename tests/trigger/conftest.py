"""Google's certificates on a real server, and an instance of the trigger that fetches them."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.trigger.google import certificate, settings
from tests.trigger.stand_ins import Instance, StubServer, serving


@pytest.fixture
def google() -> Iterator[StubServer]:
    with serving(StubServer()) as google:
        google.respond({"key-1": certificate("key-1")}, Cache_Control="public, max-age=20000, must-revalidate")
        yield google


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        yield http


@pytest.fixture
def instance(google: StubServer, http: httpx.AsyncClient) -> Instance:
    return Instance(settings=settings(google, public=True), http=http)
