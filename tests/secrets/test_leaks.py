"""The search for secrets, part of every test of the product, finds them and does not print them."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.log import Event
from tests.harness import virtual_time
from tests.harness.leaks import Leaks
from tests.harness.world import World, world
from tests.processes.product import API_KEY, Places, Product

SECRET, TOKEN = "whsec_of+these/tests==", "token-of-these-tests"
BASIC = base64.b64encode(f"user:{TOKEN}".encode()).decode()


def leaks_after(response: Response, **request: object) -> str:
    """Return the report for this response to this request; empty without a leak."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await response(scope, receive, send)

    async def main() -> None:
        transport = httpx.ASGITransport(leaks.watching(app))
        async with httpx.AsyncClient(transport=transport, base_url="https://images.test") as http:
            await http.post("/", **request)  # type: ignore[arg-type] # any argument of httpx

    leaks = Leaks()
    leaks.add("THE_SECRET", SECRET)
    virtual_time.run(main())
    try:
        leaks.check()
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("spelling", [SECRET, SECRET.upper(), quote(SECRET), quote(SECRET, safe="")])
def test_a_secret_in_a_response_is_found_and_not_printed(spelling: str) -> None:
    said = [leaks_after(Response(f"so {spelling}.")), leaks_after(Response(headers={"Location": f"/?{spelling}"}))]
    assert [one.splitlines()[1:] for one in said] == [
        [f"THE_SECRET in the response to POST / (200), its {part}"] for part in ("body", "headers")
    ]
    assert not any(SECRET in one or spelling in one for one in said)


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"headers": {"Authorization": f"Basic {BASIC}"}},
        {"json": {"prompt": "a cat", "token": TOKEN}},
        {"data": {"prompt": "a cat", "token": TOKEN}},
        {"data": {"token": TOKEN}, "files": {"image1": b"an image"}},
    ],
    ids=str,
)
def test_credentials_of_a_request_are_secrets(request_: dict[str, object]) -> None:
    assert "a request's credential in" in leaks_after(Response(f"{TOKEN} is wrong"), **request_)
    assert leaks_after(Response("It is wrong"), **request_) == ""


async def quoting_the_key(here: World) -> None:
    await here.post(f"a cat, {here.deps.config.api_key}")


async def logging_the_hook(here: World) -> None:
    here.deps.log.info(Event.WINDOW, f"asked {here.deps.config.webhook_id}")


async def logging_the_id_secret(here: World) -> None:
    here.deps.log.info(Event.WINDOW, (await here.store.id_secret()).hex())


@pytest.mark.parametrize(
    ("leaking", "said"),
    [
        (quoting_the_key, "WIREFLOW_API_KEY in the response to POST / (202), its body"),
        (logging_the_hook, "WIREFLOW_WEBHOOK_ID in the log, line 1"),
        (logging_the_id_secret, "the id secret in the log, line 1"),
    ],
)
def test_a_leak_fails_a_world(leaking: Callable[[World], Awaitable[None]], said: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as here:
            await leaking(here)

    with pytest.raises(AssertionError) as caught:
        virtual_time.run(main())
    assert str(caught.value).splitlines()[1:] == [said]


async def test_a_leak_fails_processes(tmp_path: Path) -> None:
    product = Product(tmp_path, Places.local(tmp_path), pollers=0)

    async def main() -> None:
        async with product.running() as caller:
            await caller.http.post("/", json={"prompt": f"a cat, {API_KEY}"})
            with product.trigger.err.open("a") as log:
                log.write(f"Traceback: {API_KEY}\n")

    with pytest.raises(AssertionError) as caught:
        await main()
    assert str(caught.value).splitlines()[1:] == [
        "WIREFLOW_API_KEY in the response to POST / (202), its body",
        "WIREFLOW_API_KEY in trigger.err, line 1",
    ]


def test_a_secret_that_is_too_short_to_search_for_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 characters"):
        Leaks().add("A_TOKEN", "token")
