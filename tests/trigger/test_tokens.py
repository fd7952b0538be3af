"""Tokens: by Bearer, by Basic, in the body; one that is wrong is never taken for none."""

import base64
import hashlib
import json

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings, Token
from shared.problems import Problem
from tests.trigger.stand_ins import House, request


def known(name: str, *, admin: bool = False) -> Token:
    return Token(name, hashlib.sha256(f"token of {name}".encode()).hexdigest(), admin)


SETTINGS = AuthSettings(
    tokens=(known("zapier"), known("boss", admin=True)), origins=("https://shop.example",), public=True
)
ZAPIER, BOSS = Caller(CallerKind.TOKEN, "zapier"), Caller(CallerKind.TOKEN, "boss", admin=True)


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def caller(authorization: str | None = None, token: str | None = None, **more: str) -> Caller:
    headers = ({"Authorization": authorization} if authorization is not None else {}) | more
    return await House(settings=SETTINGS).auth.identify(request(headers=headers, peer="203.0.113.9"), b"{}", token)


async def refused(authorization: str | None = None, token: str | None = None, **more: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await caller(authorization, token, **more)
    return caught.value


@pytest.mark.parametrize(
    "authorization",
    ["Bearer token of zapier", "bearer  token of zapier ", basic("token of zapier"), basic("token of zapier", "")],
)
async def test_a_token_comes_by_bearer_or_as_the_password_of_basic(authorization: str):
    assert await caller(authorization) == ZAPIER
    assert ZAPIER.private
    assert ZAPIER.may_send_batches


async def test_a_token_comes_in_the_body():
    assert await caller(token="token of boss") == BOSS


async def test_of_two_right_tokens_the_header_counts():
    assert await caller("Bearer token of zapier", "token of boss") == ZAPIER


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer token of nobody",
        "Bearer",
        "Bearer ",
        "",
        "token of zapier",
        "Digest username=zapier",
        "Basic token of zapier",
        "Basic " + base64.b64encode(b"token of zapier").decode(),
        "Basic \xe4",
        basic("token of nobody"),
        basic("", "token of zapier"),
        f"Bearer {SETTINGS.tokens[0].sha256}",
        "Bearer a.b.c",
        "Bearer \xe4.\xe4.\xe4",
    ],
)
async def test_a_wrong_token_is_401_even_from_an_allowed_origin(authorization: str):
    problem = await refused(authorization, Origin="https://shop.example")
    assert problem.code == "unauthorized"
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images", error="invalid_token"'


@pytest.mark.parametrize("token", ["", "token of nobody", "a.b.c", "\ud800"])
async def test_a_wrong_token_in_the_body_is_401(token: str):
    assert "invalid_token" in (await refused(token=token)).headers["WWW-Authenticate"]


async def test_a_wrong_credential_beside_a_right_one_is_wrong():
    assert (await refused("Bearer token of zapier", "token of nobody")).code == "unauthorized"
    assert (await refused("Bearer token of nobody", "token of zapier")).code == "unauthorized"
    twice = request(headers=[("Authorization", "Bearer token of zapier"), ("Authorization", "Bearer nothing")])
    with pytest.raises(Problem):
        await House(settings=SETTINGS).auth.identify(twice, b"", None)


async def test_no_credential_is_401_without_an_error():
    problem = await refused()
    assert problem.code == "unauthorized"
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images"'


@pytest.mark.parametrize("path", ["/?token=token%20of%20zapier", "/?a=1&token=", "/?%74oken=x"])
@pytest.mark.parametrize("settings", [SETTINGS, AuthSettings()])
async def test_a_token_in_the_address_is_refused_wherever_it_comes_from(path: str, settings: AuthSettings):
    auth = House(settings=settings).auth
    headers = {"Authorization": "Bearer token of zapier"}
    for asked in (auth.identify(request(path=path, headers=headers), b"", None), auth.reader(request("GET", path))):
        with pytest.raises(Problem) as caught:
            await asked
        assert caught.value.code == "token_in_url"
        assert "zapier" not in json.dumps(caught.value.document())


async def test_a_token_for_a_door_that_is_not_configured_is_wrong():
    auth = House(settings=AuthSettings(origins=("https://shop.example",))).auth
    asked = request(headers={"Authorization": "Bearer token of zapier", "Origin": "https://shop.example"})
    with pytest.raises(Problem) as caught:
        await auth.identify(asked, b"", None)
    assert caught.value.code == "unauthorized"
