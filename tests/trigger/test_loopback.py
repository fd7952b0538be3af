"""Without any authentication only this machine may call, directly; behind IAM every caller that it admits."""

import pytest

from functions.trigger.auth.authorize import check_may_list
from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import Instance, code, identify, request

OPEN, OPERATOR = Caller(CallerKind.OPEN), Caller(CallerKind.OPEN, admin=True)
PROXIES = """
Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Anything X_Forwarded_For X-HTTP-Forwarded-For
Z-Forwarded-For X-Forward-For Max-Forwards Via X-BlueCoat-Via X-Proxy-Id Proxy-Connection X-Host X-Scheme
Front-End-Https X-Rewrite-URL X-Original-Host X-Real-IP True-Client-IP X-Client-IP X-Cluster-Client-IP Client-IP
X-Remote-Addr Cdn-Src-Ip CDN-Loop CF-Connecting-IP CF-Ray Fastly-Client-IP Fly-Client-IP X-Envoy-External-Address
X-Azure-ClientIP Ngrok-Trace-Id Tailscale-User-Login X-Nginx-Proxy X-Varnish Surrogate-Capability X-Akamai-Edgescape
X-Amz-Cf-Id X-Amzn-Trace-Id CloudFront-Viewer-Address X-Vercel-Id X-NF-Client-Connection-IP X-Serverless-Authorization
""".split()
HOSTS = ["trigger.example", "localhost.example", "10.0.0.1:8080", "", "localhost@evil.example", "127.1", "0.0.0.0"]
HOSTS += ["localhost/evil.example", "localhost#evil.example", "localhost?", "localhost, evil.example", "localhost:0"]
CLIENTS = """
Accept Accept-Language User-Agent Sec-Fetch-Site X-Client-Data Origin-Agent-Cluster X-Request-Id Idempotency-Key Prefer
Cookie DNT Priority TE traceparent X-User-Id
""".split()


async def unauthenticated(
    peer: str | None = "127.0.0.1",
    origin: str | None = None,
    *,
    host: str = "127.0.0.1:8080",
    public_url: str | None = None,
    **settings: bool,
) -> str:
    sent = request(headers={} if origin is None else {"Origin": origin}, peer=peer, host=host)
    authenticator = Instance(settings=AuthSettings(**settings), public_url=public_url).authenticator
    return await code(identify(authenticator, sent, b"{}", None))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_without_authentication_this_machine_is_accepted(peer: str):
    assert await unauthenticated(peer) == "open"


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "0.0.0.0", "::", "testclient", "localhost", "", None])
async def test_without_authentication_other_machines_are_rejected(peer: str | None):
    assert await unauthenticated(peer) == "forbidden"
    assert await unauthenticated(peer, public=True) == "forbidden"


async def test_without_authentication_cloud_run_rejects_every_caller():
    assert await unauthenticated("169.254.8.129", on_cloud_run=True) == "forbidden"


async def test_on_a_private_deployment_callers_that_iam_authenticated_are_accepted():
    private = {"public": False, "on_cloud_run": True}
    assert await unauthenticated("169.254.8.129", **private) == "open"
    assert await unauthenticated("169.254.8.129", "https://evil.example", **private) == "forbidden"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost", "localhost"),
        ("https://images.localhost", "images.localhost"),
        ("https://images.example", "127.0.0.1:8080"),
    ],
)
async def test_without_authentication_our_own_pages_may_call(origin: str, host: str):
    assert await unauthenticated(origin=origin, host=host, public_url="https://images.example/") == "open"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:8080"),
        ("null", "127.0.0.1:8080"),
        ("", "127.0.0.1:8080"),
        ("http://localhost:3000", "localhost:8080"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://evil.example:8080", "evil.example:8080"),  # a name that resolves to this machine
        ("http://localhost.evil.example", "localhost.evil.example"),
    ],
)
async def test_without_authentication_foreign_pages_are_rejected(origin: str, host: str):
    assert await unauthenticated(origin=origin, host=host) == "forbidden"


async def test_without_authentication_credentials_are_ignored():
    headers = {"Authorization": "Bearer whatever", "webhook-signature": "v1,x"}
    authenticator = Instance(settings=AuthSettings()).authenticator
    assert await code(identify(authenticator, request(headers=headers), b"", "x")) == "open"


async def test_without_authentication_only_this_machine_may_list():
    settings = AuthSettings()
    authenticator = Instance(settings=settings, public_url="https://images.example").authenticator
    for host in ("127.0.0.1:8080", "localhost:8080", "[::1]"):
        assert check_may_list(await authenticator.reader(request("GET", "/jobs", host=host)), settings) == OPERATOR
    for foreign in (
        request("GET", "/jobs", peer="203.0.113.9"),
        request("GET", "/jobs", host="evil.example:8080"),
        request("GET", "/jobs", host="images.example"),
        request("GET", "/jobs", {"Via": "1.1 proxy"}),
    ):
        with pytest.raises(Problem) as caught:
            check_may_list(await authenticator.reader(foreign), settings)
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize("name", PROXIES)
async def test_without_authentication_a_forwarded_request_is_rejected(name: str):
    settings = AuthSettings()
    authenticator = Instance(settings=settings).authenticator
    assert await code(identify(authenticator, request(headers={name: "127.0.0.1"}), b"{}", None)) == "forbidden"
    assert await authenticator.reader(request("GET", "/jobs", {name: "127.0.0.1"})) is None


@pytest.mark.parametrize("host", HOSTS)
async def test_without_authentication_the_host_must_be_this_machine(host: str):
    assert await unauthenticated(host=host) == "forbidden"
    assert await unauthenticated(host=host, public_url="https://trigger.example") == "forbidden"


async def test_without_authentication_two_hosts_are_rejected():
    twice = request(headers=[("Host", "localhost:8080")], host="evil.example")
    assert await code(identify(Instance(settings=AuthSettings()).authenticator, twice, b"{}", None)) == "forbidden"


async def test_headers_of_browsers_and_clients_are_not_taken_for_a_proxys():
    sent = request(headers=dict.fromkeys(CLIENTS, "x"))
    assert await code(identify(Instance(settings=AuthSettings()).authenticator, sent, b"{}", None)) == "open"


async def test_on_a_private_deployment_callers_that_iam_authenticated_may_list():
    settings = AuthSettings(public=False, on_cloud_run=True)
    sent = request("GET", "/jobs", peer="169.254.8.129", host="trigger.run.app")
    assert check_may_list(await Instance(settings=settings).authenticator.reader(sent), settings) == OPEN
