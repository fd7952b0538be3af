"""Requests reach only public addresses of allowed hosts, and TLS verifies the host name."""

import httpx
import pytest

from shared import egress
from shared.egress import EgressRefused, is_public, resolve_host
from tests.images.site import Site, response
from tests.servers.authority import Authority

PUBLIC = ["8.8.8.8", "1.1.1.1", "203.0.114.1", "2001:4860:4860::8888", "2606:4700::1111", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_reserved_or_private_address_is_not_public(address):
    assert not is_public(address)


def attempt(url, *hosts, addresses=("10.0.0.5",), **options):
    with egress.client(hosts, resolve=lambda *_: addresses, **options) as client:
        return client.get(url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://cdn.example/", "cdn.example"),
        ("https://eu.cdn.example/", "cdn.example"),
        ("https://a.b.cdn.example/", "cdn.example"),
        ("https://CDN.Example./", "cdn.example"),
        ("https://cdn.example/", "CDN.example."),
        ("https://cdn.example/", " cdn.example "),
        ("https://cdn.example:443/", "cdn.example"),
        ("https://cdn.example/", "cdn.example:443"),
        ("https://cdn.example:8443/", "cdn.example:8443"),
        ("https://eu.cdn.example:8443/", "cdn.example:8443"),
        ("https://bücher.example/", "bücher.example"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://[2001:db8::1]/", "[2001:db8::1]"),
    ],
)
def test_an_allowed_host_is_resolved(url, allowed):
    with pytest.raises(EgressRefused, match=r"10\.0\.0\.5"):
        attempt(url, allowed)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example/", "cdn.example"),
        ("https://evilcdn.example/", "cdn.example"),
        ("https://cdn.example.evil.test/", "cdn.example"),
        ("https://cdn.example@evil.test/", "cdn.example"),
        ("https://evil.test/cdn.example", "cdn.example"),
        ("https://evil.test#.cdn.example", "cdn.example"),
        ("https://cdn.example:8443/", "cdn.example"),
        ("https://cdn.example/", "cdn.example:8443"),
        ("https://evil.test/", ""),
        ("https://127.0.0.1/", "cdn.example"),
    ],
)
def test_any_other_host_is_refused_before_it_is_resolved(url, allowed):
    with pytest.raises(EgressRefused, match="not among the allowed hosts"):
        attempt(url, allowed)


@pytest.mark.parametrize("url", ["http://cdn.example/", "ftp://cdn.example/", "ws://cdn.example/"])
def test_only_https_is_allowed(url):
    with pytest.raises(EgressRefused, match="https"):
        attempt(url, "cdn.example", addresses=["8.8.8.8"])


@pytest.mark.parametrize("url", ["ftp://cdn.example/", "ws://cdn.example/", "http://evil.test/", "https://evil.test/"])
def test_allowing_private_networks_allows_no_other_schemes_or_hosts(url):
    with pytest.raises(EgressRefused):
        attempt(url, "cdn.example", allow_private=True)


@pytest.mark.parametrize("addresses", [["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "::1"]])
def test_one_private_address_among_public_ones_is_enough_to_refuse(addresses):
    with pytest.raises(EgressRefused, match="public"):
        attempt("https://cdn.example/", "cdn.example", addresses=addresses)


def test_the_error_says_what_to_do():
    with pytest.raises(EgressRefused, match="ALLOW_PRIVATE_NETWORK"):
        attempt("https://cdn.example/", "cdn.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::1]"])
def test_every_spelling_of_a_private_address_is_refused(host):
    with pytest.raises(EgressRefused, match="not public"):
        egress.client([host]).get(f"https://{host}/")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".invalid"])
def test_a_host_that_cannot_be_resolved_is_a_connect_error(host):
    with pytest.raises(httpx.ConnectError, match="resolved"):
        resolve_host(host, 443)


def test_a_host_without_addresses_is_a_connect_error():
    with pytest.raises(httpx.ConnectError, match="no address"):
        attempt("https://cdn.example/", "cdn.example", addresses=[])


# --- over the wire -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def cdn(authority):
    with Site(tls=authority.server("cdn.example")) as site:
        site.put("/", response(200, b"hello", Set_Cookie="a=b"))
        yield site


def reach(site, authority, *hosts, resolve=lambda *_: ["127.0.0.1"]):
    entries = [f"{host}:{site.port}" for host in hosts]
    return egress.client(entries, allow_private=True, resolve=resolve, tls=authority.client())


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_checked(cdn, authority):
    resolved = []

    def resolve(host, port):
        resolved.append((host, port))
        return ["127.0.0.1"]

    with reach(cdn, authority, "cdn.example", resolve=resolve) as client:
        response = client.get(f"https://cdn.example:{cdn.port}/?q=1")
    assert response.text == "hello"
    assert resolved == [("cdn.example", cdn.port)]
    assert cdn.requests[0].headers["host"] == f"cdn.example:{cdn.port}"
    assert cdn.requests[0].path == "/?q=1"
    assert response.url.host == "cdn.example"


def test_tls_verifies_the_name_and_not_the_address(cdn, authority):
    with (
        reach(cdn, authority, "other.example") as client,
        pytest.raises(httpx.ConnectError, match="Hostname mismatch"),
    ):
        client.get(f"https://other.example:{cdn.port}/")


def test_two_hosts_at_one_address_do_not_share_a_connection(cdn, authority):
    cdn.put("/", response(200, b"hello", Connection="keep-alive"))
    with reach(cdn, authority, "cdn.example", "other.example") as client:
        assert client.get(f"https://cdn.example:{cdn.port}/").text == "hello"
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            client.get(f"https://other.example:{cdn.port}/")


def test_an_unknown_authority_is_not_trusted(cdn, authority):
    with (
        egress.client([f"cdn.example:{cdn.port}"], allow_private=True, resolve=lambda *_: ["127.0.0.1"]) as client,
        pytest.raises(httpx.ConnectError, match="certificate"),
    ):
        client.get(f"https://cdn.example:{cdn.port}/")


def test_the_next_address_is_tried_when_one_does_not_accept(cdn, authority):
    with reach(cdn, authority, "cdn.example", resolve=lambda *_: ["::1", "127.0.0.1"]) as client:
        assert client.get(f"https://cdn.example:{cdn.port}/").text == "hello"


def test_when_no_address_accepts_it_is_a_connect_error(cdn, authority):
    with (
        reach(cdn, authority, "cdn.example", resolve=lambda *_: ["::1", "::1"]) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(f"https://cdn.example:{cdn.port}/")


def test_no_cookie_is_kept(cdn, authority):
    with reach(cdn, authority, "cdn.example") as client:
        for _ in range(2):
            client.get(f"https://cdn.example:{cdn.port}/")
        assert not client.cookies
    assert all("cookie" not in request.headers for request in cdn.requests)


def test_no_proxy_of_the_environment_is_used(cdn, authority, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with reach(cdn, authority, "cdn.example") as client:
        assert client.get(f"https://cdn.example:{cdn.port}/").text == "hello"


def test_no_redirect_is_followed_automatically(cdn, authority):
    cdn.put("/", response(302, Location="/there"))
    with reach(cdn, authority, "cdn.example") as client:
        assert client.get(f"https://cdn.example:{cdn.port}/").status_code == 302


def test_plain_http_is_allowed_with_private_networks():
    with Site() as site, egress.client([site.host], allow_private=True) as client:
        site.put("/", response(200, b"hello"))
        assert client.get(f"{site.url}/").text == "hello"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://169.254.169.254/", egress.NeverAllowed),
        ("http://0xa9fea9fe/", egress.NeverAllowed),
        ("http://[fe80::1]/", egress.NeverAllowed),
        ("http://10.0.0.1/", egress.HostNotListed),
    ],
)
def test_a_local_run_is_not_told_to_list_a_metadata_server(url: str, error: type[EgressRefused]):
    with egress.client(["cdn.example"], allow_private=True) as client, pytest.raises(error):
        client.get(url)
