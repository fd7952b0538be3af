"""`any_public` allows https on port 443 at public addresses; listed hosts keep their own rules."""

import httpx
import pytest

from shared import egress
from shared.egress import EgressRefused
from tests.images.site import Site, response


def attempt(url, *hosts, addresses=("10.0.0.5",), **options):
    with egress.client(hosts, resolve=lambda *_: addresses, any_public=True, **options) as client:
        return client.get(url)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(
    "url", ["https://anywhere.example/", "https://anywhere.example:443/", "https://sub.a.example./"]
)
@pytest.mark.parametrize("addresses", [["10.0.0.5"], ["8.8.8.8", "127.0.0.1"], ["::ffff:169.254.169.254"]])
def test_any_public_host_means_a_public_address_even_on_a_private_network(url, addresses, allow_private):
    with pytest.raises(EgressRefused, match=r"not public$"):
        attempt(url, "cdn.example", addresses=addresses, allow_private=allow_private)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "http://anywhere.example/",
        "http://anywhere.example:443/",
        "https://anywhere.example:8443/",
        "https://anywhere.example:80/",
        "ftp://anywhere.example/",
        "//anywhere.example/",
    ],
)
def test_any_public_host_means_https_on_port_443_even_on_a_private_network(url, allow_private):
    with pytest.raises(EgressRefused, match="https"):
        attempt(url, "cdn.example", addresses=["8.8.8.8"], allow_private=allow_private)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::1]", "0", "[::]"])
def test_no_spelling_of_a_private_address_is_a_public_host(host):
    with egress.client([], any_public=True, allow_private=True) as client, pytest.raises(EgressRefused, match="public"):
        client.get(f"https://{host}/")


class Connected(httpx.BaseTransport):
    """Replaces the sockets and records where they would connect."""

    def __init__(self) -> None:
        self.to = []

    def handle_request(self, request):
        self.to.append((str(request.url), request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(200)


@pytest.mark.parametrize("allow_private", [False, True])
def test_any_public_host_is_reached_at_the_address_that_was_checked(allow_private):
    gate = egress.Egress([], allow_private=allow_private, any_public=True, resolve=lambda *_: ["8.8.8.8"])
    gate._transport = Connected()
    assert httpx.Client(transport=gate).get("https://anywhere.example/cat?a=1").status_code == 200
    assert gate._transport.to == [("https://8.8.8.8/cat?a=1", "anywhere.example", "anywhere.example")]


def test_listed_hosts_keep_their_rules_beside_any_public_host():
    with Site() as site, egress.client([site.host], allow_private=True, any_public=True) as client:
        site.put("/", response(200, b"hello"))
        assert client.get(f"{site.url}/").text == "hello"
    with pytest.raises(EgressRefused, match="ALLOW_PRIVATE_NETWORK"):
        attempt("https://cdn.example:8443/", "cdn.example:8443")
