"""A download tries every allowed route in order, and follows redirects to allowed URLs."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from shared import egress
from shared.copy_errors import (
    CopyError,
    HostNotAllowed,
    ImageGone,
    ImageRefused,
    ProxyUnavailable,
    UrlNotAllowed,
    UrlRefused,
)
from shared.images.download import BROWSER_AGENT, USER_AGENT, Downloader
from tests.images.fetching import MAX_BYTES, fetched, refusal
from tests.images.sample_images import png_of_size
from tests.images.site import Request, Site, response

PNG = png_of_size(200_000)


@pytest.fixture
def deployed() -> Iterator[Downloader]:
    """A downloader that reaches public addresses of cdn.example only. Every host there redirects to `to`."""
    check = egress.Egress(["cdn.example"], allow_private=False, resolve=lambda *_: ["93.184.216.34"])
    check._transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=PNG))

    def network(request: httpx.Request) -> httpx.Response:
        response = check.handle_request(request)
        to = request.url.params.get("to")
        return httpx.Response(302, headers={"location": to}) if to else response

    with httpx.Client(transport=httpx.MockTransport(network)) as client:
        yield Downloader(client, base_url=None, max_bytes=MAX_BYTES)


def leaves(kind: type[Exception]) -> list[type[Exception]]:
    """Return the errors below `kind` in its tree that have no errors below them."""
    below = kind.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [kind]


def test_the_first_route_is_direct_with_our_user_agent(downloads, cdn, wireflow):
    fetched(downloads, cdn.put("/cat", response(200, PNG)))
    assert [request.headers["user-agent"] for request in cdn.requests] == [USER_AGENT]
    assert not wireflow.requests


def test_a_host_that_refuses_scripts_is_retried_with_the_user_agent_of_a_browser(downloads, cdn, wireflow):
    def refuse_scripts(request: Request):
        is_browser = request.headers["user-agent"] == BROWSER_AGENT.lower()
        return [response(200, PNG) if is_browser else response(403)]

    assert fetched(downloads, cdn.on("/cat", refuse_scripts))[1] == PNG
    assert len(cdn.requests) == 2
    assert not wireflow.requests


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_image_that_its_host_does_not_serve_comes_through_the_download_proxy(downloads, cdn, wireflow, status):
    url = cdn.put("/cat", response(status)) + "?a=1&b=ü"
    wireflow.put("/api/download", response(200, PNG))
    assert fetched(downloads, url)[1] == PNG
    proxied = httpx.URL(wireflow.requests[0].path)
    assert proxied.path == "/api/download"
    assert dict(proxied.params) == {"url": url}


@pytest.mark.parametrize("direct", [400, 401, 403, 404, 410])
@pytest.mark.parametrize("proxied", [403, 404, 410])
def test_an_image_that_no_route_serves_is_gone(downloads, cdn, wireflow, direct, proxied):
    wireflow.put("/api/download", response(proxied))
    error = refusal(downloads, cdn.put("/cat", response(direct)))
    assert isinstance(error, ImageGone)
    assert [len(cdn.requests), len(wireflow.requests)] == [2, 1]


@pytest.mark.parametrize("raw", [response(408), response(429), response(503), response(504), b"", response(200)])
def test_an_image_is_not_gone_while_the_proxy_is_unavailable(downloads, cdn, wireflow, raw):
    wireflow.put("/api/download", raw)
    assert type(refusal(downloads, cdn.put("/cat", response(403)))) is ProxyUnavailable


@pytest.mark.parametrize("proxied", [response(400), response(500), response(502), response(200, b"<html>Not found")])
def test_a_failure_of_the_proxy_does_not_overrule_what_the_image_host_says(downloads, cdn, wireflow, proxied):
    wireflow.put("/api/download", proxied)
    error = refusal(downloads, cdn.put("/cat", response(404)))
    assert type(error) is ImageGone
    assert "HTTP 404" in str(error)
    assert "proxy" in str(error)


def test_an_image_from_the_proxy_that_is_too_large_is_refused(downloads, cdn, wireflow):
    wireflow.put("/api/download", response(200, b"", length=MAX_BYTES + 1))
    assert type(refusal(downloads, cdn.put("/cat", response(403)))) is ImageRefused


@pytest.mark.parametrize("status", [400, 401])
def test_what_image_hosts_respond_to_an_expired_signature_counts_as_gone(inputs, cdn, status):
    body = b"<Error><Code>ExpiredToken</Code></Error>"
    assert type(refusal(inputs, cdn.put("/cat", response(status, body)))) is ImageGone


@pytest.fixture
def inputs(client, watch):
    """A downloader for images that are not Wireflow's, without a download proxy."""
    return Downloader(client, base_url=None, max_bytes=MAX_BYTES, monotonic=watch)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_without_a_download_proxy_there_is_no_such_route(inputs, cdn, wireflow, status):
    assert isinstance(refusal(inputs, cdn.put("/cat", response(status))), ImageGone)
    assert [request.headers["user-agent"] for request in cdn.requests] == [USER_AGENT, BROWSER_AGENT.lower()]
    assert not wireflow.requests


def test_without_a_download_proxy_the_direct_route_works(inputs, cdn):
    assert fetched(inputs, cdn.put("/cat", response(200, PNG)))[1] == PNG
    assert type(refusal(inputs, cdn.put("/cat", response(503)))) is CopyError


# --- redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(downloads, cdn, status):
    cdn.put("/there", response(200, PNG))
    assert fetched(downloads, cdn.put("/cat", response(status, Location="/there")))[1] == PNG


def test_three_redirects_are_followed_and_a_fourth_is_not(downloads, cdn):
    cdn.put("/0", response(200, PNG))
    for hop in range(1, 5):
        cdn.put(f"/{hop}", response(302, Location=f"/{hop - 1}"))
    assert fetched(downloads, f"{cdn.url}/3")[1] == PNG
    assert "redirects" in str(refusal(downloads, f"{cdn.url}/4"))


def test_a_redirect_loop_ends(downloads, cdn):
    error = refusal(downloads, cdn.put("/cat", response(302, Location="/cat")))
    assert type(error) is CopyError
    assert len(cdn.requests) == 4


def test_a_redirect_to_another_host_is_not_followed(downloads, cdn):
    with Site() as elsewhere:
        url = elsewhere.put("/cat", response(200, PNG))
        error = refusal(downloads, cdn.put("/cat", response(302, Location=url)))
        assert isinstance(error, UrlNotAllowed)
        assert isinstance(error.__cause__, egress.EgressRefused)
        assert not elsewhere.connections


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1/cat", "file:///etc/passwd", "http://[", "https://x y/", "https://"],
)
def test_a_redirect_to_a_forbidden_url_can_be_retried(downloads, cdn, location):
    error = refusal(downloads, cdn.put("/cat", response(302, Location=location)))
    assert isinstance(error, UrlNotAllowed)
    assert not isinstance(error, UrlRefused)


def test_a_redirect_to_a_private_address_can_be_retried(deployed):
    for location in ("https://169.254.169.254/cat", "https://[::1]/cat", "https://2130706433/cat"):
        error = refusal(deployed, "https://cdn.example/cat?to=" + location)
        assert type(error) is UrlNotAllowed


@pytest.mark.parametrize("location", ["https://xn--zz--.example/cat", "https://xn--a/", "https://a\u2603.example/"])
def test_a_redirect_to_a_host_that_cannot_be_decoded_is_a_copy_error(downloads, cdn, location):
    raw = response(302, Location="HERE").replace(b"HERE", location.encode())
    assert isinstance(refusal(downloads, cdn.put("/cat", raw)), CopyError)


@pytest.mark.parametrize("location", ["//", "http://127.0.0.1:x/cat"])
def test_a_redirect_to_an_invalid_url_can_be_retried(downloads, cdn, location):
    assert type(refusal(downloads, cdn.put("/cat", response(302, Location=location)))) is CopyError


def test_a_redirect_without_a_location_can_be_retried(downloads, cdn):
    assert "302" in str(refusal(downloads, cdn.put("/cat", response(302))))


def test_a_redirect_to_a_private_address_is_not_followed():
    inside = egress.Egress(["cdn.example"], allow_private=False, resolve=lambda *_: ["10.0.0.5"])

    def network(request: httpx.Request) -> httpx.Response:
        if request.url.host == "cdn.example":
            return httpx.Response(302, headers={"location": "https://inside.cdn.example/"})
        return inside.handle_request(request)

    client = httpx.Client(transport=httpx.MockTransport(network))
    error = refusal(Downloader(client, base_url="https://www.example", max_bytes=1), "https://cdn.example/cat")
    assert type(error) is UrlNotAllowed
    assert "10.0.0.5" in str(error)


@pytest.mark.parametrize("url", ["", "cat.png", "http://", "http://[", "data:image/png;base64,AAAA", "https://x y/"])
def test_an_invalid_url_is_refused(downloads, url):
    assert type(refusal(downloads, url)) is UrlRefused


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/cat",
        "ftp://cdn.example/cat",
        "gs://bucket/cat",
        "https://10.0.0.5/cat",
        "https://127.1/cat",
        "https://0x7f000001/cat",
        "https://2130706433:8443/cat",
        "https://[::ffff:169.254.169.254]/cat",
        "https://[fe80::1%25eth0]/cat",
    ],
)
def test_another_scheme_and_a_private_address_are_refused(deployed, url):
    assert type(refusal(deployed, url)) is UrlRefused


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://files.example.net/cat", "files.example.net"),
        ("https://Files.Example.net:8443/cat", "files.example.net:8443"),
        ("https://cdn.example:8443/cat", "cdn.example:8443"),
        ("https://93.184.216.34/cat", "93.184.216.34"),
        ("https://cdn.example/cat?to=https://eu.example/cat", "eu.example"),
    ],
)
def test_a_host_that_is_not_allowed_is_named_as_the_setting_would_have_it(deployed, url, host):
    error = refusal(deployed, url)
    assert isinstance(error, HostNotAllowed)
    assert error.host == host


@pytest.mark.parametrize(
    "url", ["https://xn--zz--.example/cat", "https://cdn.example/cat?to=https://xn--zz--.example/"]
)
def test_a_host_that_cannot_be_decoded_is_not_allowed(deployed, url):
    assert isinstance(refusal(deployed, url), UrlNotAllowed)


LOWER_LEVEL = [
    OSError("no route"),
    ssl.SSLError("handshake"),
    UnicodeError("label empty or too long"),
    ValueError("bad port"),
    httpx.StreamClosed(),
    *(kind("lower") for kind in leaves(httpx.HTTPError) if kind is not httpx.HTTPStatusError),
]


@pytest.mark.parametrize("error", LOWER_LEVEL, ids=lambda error: type(error).__name__)
def test_an_error_of_a_lower_level_is_a_copy_error(error):
    def network(_request: httpx.Request) -> httpx.Response:
        raise error

    client = httpx.Client(transport=httpx.MockTransport(network))
    got = refusal(Downloader(client, base_url=None, max_bytes=1), "https://cdn.example/cat")
    assert got.__cause__ is error


def test_a_host_without_an_address_can_be_retried():
    with egress.client([], any_public=True) as client:
        error = refusal(Downloader(client, base_url=None, max_bytes=1), "https://nowhere.invalid/cat")
    assert type(error) is CopyError


@pytest.mark.parametrize(
    ("path", "requested"),
    [
        ("/a cat.png", "/a%20cat.png"),
        ("/a%20b c.png?v=1 2&s=%2B", "/a%20b%20c.png?v=1%202&s=%2B"),
        ("/ü x", "/%C3%BC%20x"),
    ],
)
def test_a_url_with_spaces_is_requested_encoded(downloads, cdn, wireflow, path, requested):
    cdn.on(requested.partition("?")[0], lambda _: [response(200, PNG)])
    assert fetched(downloads, f"{cdn.url}{path}")[1] == PNG
    assert cdn.requests[0].path == requested


def test_a_url_with_spaces_reaches_the_proxy_encoded(downloads, cdn, wireflow):
    wireflow.put("/api/download", response(200, PNG))
    fetched(downloads, f" {cdn.url}/a cat.png ")
    assert httpx.URL(wireflow.requests[0].path).params["url"] == f"{cdn.url}/a%20cat.png"


def test_a_redirect_to_a_url_with_spaces_is_followed(downloads, cdn):
    cdn.put("/a%20cat.png", response(200, PNG))
    assert fetched(downloads, cdn.put("/cat", response(302, Location="/a cat.png")))[1] == PNG


# --- connections ---------------------------------------------------------------------------------------------------


def test_an_image_that_is_not_read_to_its_end_releases_its_connection(downloads, cdn, client):
    url = cdn.put("/cat", response(200, PNG))
    client.timeout = httpx.Timeout(2.0)
    held = []
    for _ in range(egress.MAX_CONNECTIONS + 1):
        with downloads.open(url) as image:
            held.append(image)


def test_an_error_raised_by_the_reader_passes_unchanged(downloads, cdn):
    def reading():
        with downloads.open(cdn.put("/cat", response(200, PNG))):
            raise httpx.ReadError("raised by the reader")

    with pytest.raises(httpx.ReadError):
        reading()
