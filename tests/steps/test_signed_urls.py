"""Signatures of URLs are ignored when images are compared; other query parameters are not."""

import pytest

from shared.wireflow.signed_urls import unsigned

URL = "https://cdn.wireflow.ai/a/0.png"


@pytest.mark.parametrize(
    "query",
    [
        "?X-Amz-Signature=1&X-Amz-Expires=900",
        "?X-Goog-Signature=ab&X-Goog-Date=20260301T000000Z",
        "?Expires=1&Signature=x&Key-Pair-Id=y",
        "?sv=2024&se=2026&sr=b&sig=z",
        "?token=abc",
        "#part",
        "",
    ],
)
def test_a_signature_is_removed(query: str):
    assert unsigned(URL + query) == URL


def test_other_query_parameters_distinguish_images():
    assert unsigned(f"{URL}?id=1&token=a") == unsigned(f"{URL}?id=1&token=b") != unsigned(f"{URL}?id=2&token=a")


def test_an_invalid_url_is_returned_unchanged():
    assert unsigned("https://[broken/a.png?token=1") == "https://[broken/a.png?token=1"
