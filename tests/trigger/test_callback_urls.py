"""`callbackUrl` and `callbackFormat`: read from every kind of body, checked, and never compared or sent to Wireflow."""

from typing import Any

import pytest

from tests.trigger.posting import BROWSER, batch, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}
URL, OTHER = "https://receiver.example/hook?key=1&x=%20", "https://other.example/"


async def test_one_url_or_several_are_the_same_in_json_in_forms_and_in_the_query() -> None:
    for value in (URL, [URL]):
        assert list((await submission(sent(json={**CAT, "callbackUrl": value}))).callback_urls) == [URL]
    assert list((await submission(sent(data={**CAT, "callbackUrl": URL}))).callback_urls) == [URL]
    form = await submission(sent(data={**CAT, "callbackUrl": [URL, OTHER, URL], "callbackFormat": "flat"}))
    assert (list(form.callback_urls), form.callback_format) == ([URL, OTHER], "flat")
    query = await submission(sent("https://images.test/?callbackUrl=https://other.example/", json=CAT))
    assert list(query.callback_urls) == [OTHER]
    assert form.input == query.input == "{}"
    assert form.fingerprint == query.fingerprint == (await submission(sent(json=CAT))).fingerprint


async def test_each_request_of_a_batch_has_the_urls_of_the_batch_or_its_own() -> None:
    body = {"prompts": ["a cat", {**CAT, "callbackUrl": OTHER}], "callbackUrl": URL}
    assert [list(one.callback_urls) for one in (await batch(sent(json=body))).requests] == [[URL], [OTHER]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        "http://receiver.example/",
        "ftp://receiver.example/",
        "receiver.example",
        "https://",
        "https://receiver.example:8443/",
        "https://user@receiver.example/",
        "https://receiver.example\\@other.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/computeMetadata/v1/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://hooks.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://nas.home.arpa/",
        "https://intranet/",
        "https://receiver.example/\r\nX: y",
        "https://receiver.example/ü",
        "https://receiver.example/" + "x" * 2_048,
        7,
        {},
        [],
        [URL, 7],
        [URL, "http://receiver.example/"],
        [f"{OTHER}{number}" for number in range(4)],
    ],
)
async def test_what_is_not_a_public_https_url_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={**CAT, "callbackUrl": value})) == (422, "callbackUrl")


@pytest.mark.parametrize("value", ["xml", "Standard", 7, ["flat"]])
async def test_an_unknown_format_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={**CAT, "callbackFormat": value})) == (422, "callbackFormat")


@pytest.mark.parametrize("name", ["callbackUrl", "callbackFormat"])
async def test_a_visitor_of_a_page_may_not_name_a_receiver(name: str) -> None:
    value = {"callbackUrl": URL, "callbackFormat": "flat"}[name]
    for request in (
        sent(data={**CAT, name: value}),
        sent(json={**CAT, name: value}),
        sent(f"https://images.test/?{name}={value}", data=CAT),
    ):
        problem = await rejection(request, BROWSER)
        assert (problem.code, problem.field) == ("invalid_field", name)
        assert "not accepted from forms" in problem.detail


LOCAL = {"CALLBACK_HOSTS": "localhost,receiver.internal:9000", "ALLOW_PRIVATE_NETWORK": "true"}


@pytest.mark.parametrize("url", ["http://localhost:9000/x", "https://receiver.internal:9000/", "http://a.localhost/"])
async def test_a_listed_host_may_be_private_in_a_local_network(url: str) -> None:
    request = {**CAT, "callbackUrl": url}
    assert list((await submission(sent(json=request), **LOCAL)).callback_urls) == [url]
    assert await rejected(sent(json=request)) == (422, "callbackUrl")
    assert await rejected(sent(json=request), **{**LOCAL, "ALLOW_PRIVATE_NETWORK": "false"}) == (422, "callbackUrl")


@pytest.mark.parametrize("url", ["http://other.example/", "https://10.0.0.7/", "https://other.example:9000/"])
async def test_any_other_host_may_not(url: str) -> None:
    assert await rejected(sent(json={**CAT, "callbackUrl": url}), **LOCAL) == (422, "callbackUrl")
