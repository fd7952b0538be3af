"""One image signed several times is one image; two that their query tells apart are two."""

import pytest

from shared.wireflow.signed_urls import unsigned

PLACE = "https://cdn.wireflow.ai/a/0.png"


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
def test_a_signature_is_no_part_of_an_address(query: str):
    assert unsigned(PLACE + query) == PLACE


def test_what_is_no_signature_tells_images_apart():
    assert unsigned(f"{PLACE}?id=1&token=a") == unsigned(f"{PLACE}?id=1&token=b") != unsigned(f"{PLACE}?id=2&token=a")


def test_what_cannot_be_taken_apart_stays_as_it_is():
    assert unsigned("https://[broken/a.png?token=1") == "https://[broken/a.png?token=1"
