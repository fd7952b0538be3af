"""Tokens as Bearer, as the password of Basic, and in the body. An invalid one is never treated as none."""

import base64
import hashlib
import json

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings, Token
from shared.problems import Problem
from tests.trigger.stand_ins import Instance, identify, request


def known(name: str, *, admin: bool = False) -> Token:
    return Token(name, hashlib.sha256(f"token of {name}".encode()).hexdigest(), admin)


SETTINGS = AuthSettings(
    tokens=(known("zapier"), known("admin", admin=True)), origins=("https://shop.example",), public=True
)
ZAPIER, ADMIN = Caller(CallerKind.TOKEN, "zapier"), Caller(CallerKind.TOKEN, "admin", admin=True)


def basic(password: str, user: str = "user") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def caller(authorization: str | None = None, token: str | None = None, **more: str) -> Caller:
    headers = ({"Authorization": authorization} if authorization is not None else {}) | more
    authenticator = Instance(settings=SETTINGS).authenticator
    return await identify(authenticator, request(headers=headers, peer="203.0.113.9"), b"{}", token)


async def rejection(authorization: str | None = None, token: str | None = None, **more: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await caller(authorization, token, **more)
    return caught.value


@pytest.mark.parametrize(
    "authorization",
    ["Bearer token of zapier", "bearer  token of zapier ", basic("token of zapier"), basic("token of zapier", "")],
)
async def test_a_token_is_sent_as_bearer_or_as_the_password_of_basic(authorization: str):
    assert await caller(authorization) == ZAPIER
    assert ZAPIER.private
    assert ZAPIER.may_send_batches


async def test_a_token_may_be_in_the_body():
    assert await caller(token="token of admin") == ADMIN


async def test_of_two_valid_tokens_the_one_in_the_header_counts():
    assert await caller("Bearer token of zapier", "token of admin") == ZAPIER


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer token of a stranger",
        "Bearer",
        "Bearer ",
        "",
        "token of zapier",
        "Digest username=zapier",
        "Basic token of zapier",
        "Basic " + base64.b64encode(b"token of zapier").decode(),
        "Basic \xe4",
        basic("token of a stranger"),
        basic("", "token of zapier"),
        f"Bearer {SETTINGS.tokens[0].sha256}",
        "Bearer a.b.c",
        "Bearer \xe4.\xe4.\xe4",
    ],
)
async def test_an_unknown_token_is_401_even_from_an_allowed_origin(authorization: str):
    problem = await rejection(authorization, Origin="https://shop.example")
    assert problem.code == "unauthorized"
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images", error="invalid_token"'


@pytest.mark.parametrize("token", ["", "token of a stranger", "a.b.c", "\ud800"])
async def test_an_unknown_token_in_the_body_is_401(token: str):
    assert "invalid_token" in (await rejection(token=token)).headers["WWW-Authenticate"]


async def test_an_unknown_token_beside_a_valid_one_is_401():
    assert (await rejection("Bearer token of zapier", "token of a stranger")).code == "unauthorized"
    assert (await rejection("Bearer token of a stranger", "token of zapier")).code == "unauthorized"
    twice = request(headers=[("Authorization", "Bearer token of zapier"), ("Authorization", "Bearer nothing")])
    with pytest.raises(Problem):
        await identify(Instance(settings=SETTINGS).authenticator, twice, b"", None)


async def test_no_credential_is_401_without_an_error():
    problem = await rejection()
    assert problem.code == "unauthorized"
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images"'


@pytest.mark.parametrize("path", ["/?token=token%20of%20zapier", "/?a=1&token=", "/?%74oken=x", "/?Token=x"])
@pytest.mark.parametrize("settings", [SETTINGS, AuthSettings()])
async def test_a_token_in_the_url_is_rejected_from_every_caller(path: str, settings: AuthSettings):
    authenticator = Instance(settings=settings).authenticator
    posted = request(path=path, headers={"Authorization": "Bearer token of zapier"})
    for caller in (identify(authenticator, posted, b"", None), authenticator.reader(request("GET", path))):
        with pytest.raises(Problem) as caught:
            await caller
        assert caught.value.code == "token_in_url"
        assert "zapier" not in json.dumps(caught.value.document())


async def test_a_token_is_invalid_where_only_forms_are_configured():
    authenticator = Instance(settings=AuthSettings(origins=("https://shop.example",))).authenticator
    sent = request(headers={"Authorization": "Bearer token of zapier", "Origin": "https://shop.example"})
    with pytest.raises(Problem) as caught:
        await identify(authenticator, sent, b"", None)
    assert caught.value.code == "unauthorized"
