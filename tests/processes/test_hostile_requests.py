"""Hostile requests to real processes: none of them makes a job, a request to elsewhere, or a cost."""

import asyncio
import base64
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tests.processes.product import UNLIMITED, Caller, Places, Product
from tests.recipes.google import ACCOUNT, AUDIENCE, google

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP, BLOG = "https://shop.example", "https://blog.example"
TOKEN, OTHER_TOKEN, SIGNING_SECRET = "token-of-a-caller", "token-of-another", "whsec_c2VjcmV0LW9mLXRoZXNlLWNhbGxlcnM="
JSON = ("Content-Type", "application/json")
RIGHT, WRONG = ("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer wrong-token")
BODY: dict[str, Any] = {"prompt": "a cat", "aspect_ratio": "64:1"}
SECONDS = 30.0

Headers = list[tuple[str, str]]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


SETTINGS = {
    **UNLIMITED,
    "TRIGGER_TOKENS": json.dumps({"caller": sha256(TOKEN), "other": sha256(OTHER_TOKEN)}),
    "TRIGGER_SIGNING_SECRETS": json.dumps({"signer": [SIGNING_SECRET]}),
    "EVENT_SERVICE_ACCOUNT": ACCOUNT,
    "EVENT_AUDIENCE": AUDIENCE,
    "FORM_ORIGINS": f"{SHOP},{BLOG}",
    "FORM_PER_MINUTE": "0",
    "TRIGGER_PUBLIC": "true",
    "POLL_WINDOW_SECONDS": "3",
    "POLL_IDLE_EXIT_SECONDS": "1",
}


@dataclass(frozen=True)
class Deployment:
    """A deployment with every kind of authentication, and an identity token that it accepts."""

    caller: Caller
    event_token: str

    async def post(self, headers: Headers, body: Any = BODY, path: str = "/", **content: Any) -> httpx.Response:
        content = content or {"content": body if isinstance(body, bytes) else json.dumps(body)}
        given = headers if "data" in content else [JSON, *headers]
        return await self.caller.http.post(path, headers=given, **content)

    async def paid(self) -> int:
        return len(await self.caller.runs())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with google() as signer:
        settings = {**SETTINGS, "GOOGLE_CERTS_URL": signer.certs_url}
        product = Product(folder, Places.local(folder), settings=settings, simulator={"SIMULATOR_RUN_SECONDS": "1"})
        for name, secret in (("the token", TOKEN), ("the other token", OTHER_TOKEN)):
            product.leaks.add(name, secret)
        async with product.running() as caller:
            yield Deployment(caller, signer.token())


# --- credentials ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [RIGHT, WRONG],
        [WRONG, RIGHT],
        [WRONG, ("Origin", SHOP)],
        [("Authorization", ""), ("Origin", SHOP)],
        [("Authorization", "Bearer"), ("Origin", SHOP)],
        [("Authorization", f"Bearer {TOKEN}, Bearer x")],
        [("Authorization", f"Bearer {sha256(TOKEN)}")],
        [("X-Authorization", f"Bearer {TOKEN}")],
        [("Proxy-Authorization", f"Bearer {TOKEN}")],
        [("Cookie", f"token={TOKEN}")],
        [RIGHT, ("webhook-id", "m"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,x")],
    ],
    ids=str,
)
async def test_a_wrong_credential_is_401_whatever_comes_with_it(deployment: Deployment, headers: Headers) -> None:
    before = await deployment.paid()
    answer = await deployment.post(headers)
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "unauthorized")
    assert "www-authenticate" in answer.headers
    assert await deployment.paid() == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"content": f'{{"token": "wrong-token", "token": "{TOKEN}", "prompt": "a cat"}}'}, id="json"),
        pytest.param({"content": f'{{"token": "{TOKEN}", "token": "wrong-token", "prompt": "a cat"}}'}, id="json last"),
        pytest.param({"data": {"prompt": "a cat", "token": ["wrong-token", TOKEN]}}, id="form"),
    ],
)
async def test_a_wrong_token_beside_the_right_one_is_refused(deployment: Deployment, body: dict[str, Any]) -> None:
    assert (await deployment.post([], **body)).status_code in {400, 401, 422}


async def test_an_identity_token_is_accepted_only_signed_and_as_a_bearer(deployment: Deployment) -> None:
    header, claims, _ = deployment.event_token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg": "none"}').decode().rstrip("=")
    password = base64.b64encode(f"user:{deployment.event_token}".encode()).decode()
    for credential in (
        f"Bearer {unsigned}.{claims}.",
        f"Bearer {header}.{claims}.SIGNATURE_REMOVED_BY_GOOGLE",
        f"Basic {password}",
    ):
        assert (await deployment.post([("Authorization", credential)])).status_code == 401
    assert (await deployment.post([], {**BODY, "token": deployment.event_token})).status_code == 401
    assert (await deployment.post([("Authorization", f"Bearer {deployment.event_token}")])).status_code == 202


@pytest.mark.parametrize("path", ["/", "/jobs", f"/jobs/{'0' * 32}", "/workflows"])
@pytest.mark.parametrize("name", ["token", "%74oken"])
async def test_a_token_in_the_url_is_400_even_with_a_valid_one(deployment: Deployment, path: str, name: str) -> None:
    method = "POST" if path == "/" else "GET"
    answer = await deployment.caller.http.request(
        method, f"{path}?a=1&{name}={TOKEN}", headers=[JSON, RIGHT], content=b"{}"
    )
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "token_in_url")


@pytest.mark.parametrize(
    "origins",
    [
        [f"{SHOP}/"],
        [SHOP.upper()],
        [f"{SHOP}:443"],
        [f"{SHOP}:8443"],
        [SHOP.replace("https", "http")],
        [f"{SHOP}.evil.example"],
        ["https://evilshop.example"],
        ["https://user@shop.example"],
        [f"{SHOP}, {BLOG}"],
        [SHOP, "https://evil.example"],
        [SHOP, SHOP],
        ["null"],
        ["*"],
        [""],
    ],
    ids=str,
)
async def test_an_origin_is_allowed_by_its_exact_spelling_and_once(deployment: Deployment, origins: list[str]) -> None:
    answer = await deployment.post([("Origin", origin) for origin in origins])
    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers


async def test_no_response_allows_a_page_to_send_cookies(deployment: Deployment) -> None:
    asks = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-evil")]
    preflight = await deployment.caller.http.options("/", headers=[("Origin", SHOP), *asks])
    foreign = await deployment.caller.http.options("/", headers=[("Origin", "https://evil.example"), *asks])
    posted = await deployment.post([("Origin", SHOP)])
    assert [one.status_code for one in (preflight, foreign, posted)] == [204, 403, 202]
    for answer in (preflight, foreign, posted):
        assert "access-control-allow-credentials" not in answer.headers
    assert "x-evil" not in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in foreign.headers


# --- replays ------------------------------------------------------------------------------------------------------


async def test_a_replayed_signed_request_is_the_same_job(deployment: Deployment) -> None:
    """The signature covers id, time, and body: whatever an attacker adds must not make another job."""
    now, body = datetime.now(UTC), json.dumps(BODY)
    signature = Webhook(SIGNING_SECRET).sign("msg_captured", now, body)
    signed = [
        ("webhook-id", "msg_captured"),
        ("webhook-timestamp", str(int(now.timestamp()))),
        ("webhook-signature", signature),
    ]
    first = (await deployment.post(signed, body.encode())).json()["id"]
    added: list[tuple[Headers, str]] = [
        ([], "/"),
        ([("Idempotency-Key", "key-of-an-attacker")], "/"),
        ([], "/?idempotencyKey=another-of-an-attacker"),
        ([], "/?deadlineSeconds=9"),
    ]
    for headers, path in added:
        again = await deployment.post([*signed, *headers], body.encode(), path)
        assert again.status_code == 422 or again.json()["id"] == first


async def test_a_form_token_is_valid_for_one_request_whatever_key_comes_with_it(deployment: Deployment) -> None:
    page = [("Origin", SHOP)]
    token = (await deployment.caller.http.get("/form-token", headers=page)).json()["formToken"]
    await asyncio.sleep(3.2)  # another process's clock: a token is valid after 3 s
    assert (await deployment.post([("Origin", BLOG)], {**BODY, "formToken": token})).status_code == 422
    assert (await deployment.post(page, {**BODY, "formToken": token})).status_code == 202
    for headers, more in (
        ([("Idempotency-Key", "a-key-of-an-attacker")], {}),
        ([("webhook-id", "an-id-of-an-attacker")], {}),
        ([], {"idempotencyKey": "a-field-of-an-attacker"}),
    ):
        other = {**BODY, "prompt": "a dog", "formToken": token, **more}
        assert (await deployment.post([*page, *headers], other)).status_code == 422


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/",
        "https://127.0.0.1./",
        "https://0.0.0.0/",
        "https://user@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://example.com/\r\nX: y",
        "http://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "data:image/png;base64,AAAA",
    ],
)
async def test_an_unsafe_input_image_url_is_refused_at_once(deployment: Deployment, url: str) -> None:
    answer = await deployment.post([RIGHT], {**BODY, "image1": url})
    assert (answer.status_code, answer.json()["field"]) == (422, "image1")


async def test_names_of_this_machine_are_not_fetched(deployment: Deployment) -> None:
    """They are refused in the request, or fail the job when they are resolved."""
    names = ["2130706433", "0x7f.1", "127.1", "0", "localhost", "localhost.", "example.com:22"]
    before = await deployment.paid()
    answers = [await deployment.post([RIGHT], {**BODY, "image1": f"https://{name}/"}) for name in names]
    deployment.caller.http.headers["Authorization"] = RIGHT[1]
    try:
        jobs = [
            await deployment.caller.finished(one.json()["id"], SECONDS) for one in answers if one.status_code != 422
        ]
    finally:
        del deployment.caller.http.headers["Authorization"]
    assert all((job["status"], job["errorCode"]) == ("failed", "invalid_request") for job in jobs)
    assert await deployment.paid() == before


@pytest.mark.parametrize(
    "url",
    [
        f"{SHOP}.evil.example/",
        f"{SHOP}@evil.example/",
        f"{SHOP}\\@evil.example/",
        f"{SHOP};evil.example/",
        f"{SHOP}%2eevil.example/",
        f"{SHOP}./",
        f"{SHOP}/\r\nSet-Cookie: a=b",
        "//shop.example/",
        "https:shop.example",
        "javascript:alert(1)",
    ],
)
async def test_a_form_redirects_only_to_allowed_origins(deployment: Deployment, url: str) -> None:
    fields = {**BODY, "redirectUrl": url}
    page = await deployment.post([("Origin", SHOP), ("Accept", "text/html")], data=fields)
    assert (page.status_code, page.headers.get("location")) == (422, None)
    assert page.headers["content-type"].startswith("text/html")
    problem = await deployment.post([("Origin", SHOP)], data=fields)
    assert (problem.status_code, problem.json()["field"]) == (422, "redirectUrl")


# --- limits --------------------------------------------------------------------------------------------------------


async def test_instances_share_the_limits_and_trust_no_forged_address(tmp_path: Path) -> None:
    """On Cloud Run the last entry of X-Forwarded-For is the real one. Wireflow is unreachable here."""
    on_cloud_run = {
        **SETTINGS,
        "K_SERVICE": "trigger",
        "ALLOW_PRIVATE_NETWORK": "false",
        "WIREFLOW_BASE_URL": "https://127.0.0.1:1/api/v1",
        "FORM_PER_MINUTE": "5",
        "FORM_PER_HOUR": "0",
    }
    product = Product(tmp_path, Places.local(tmp_path), settings=on_cloud_run, triggers=2, pollers=0)

    async def post(client: httpx.AsyncClient, number: int) -> tuple[str, int]:
        address = f"203.0.113.{number % 6}"
        headers = [("Origin", SHOP), ("X-Forwarded-For", f"198.51.100.{number}"), ("X-Forwarded-For", address)]
        return address, (await client.post("/", json=BODY, headers=headers)).status_code

    async with product.running():
        clients = [product.client(trigger) for trigger in product.triggers]
        answers = await asyncio.gather(*(post(clients[number % 2], number) for number in range(60)))
        for client in clients:
            await client.aclose()
    each = [(f"203.0.113.{number}", status) for number in range(6) for status in (202, 429)]
    assert Counter(answers) == dict.fromkeys(each, 5)
