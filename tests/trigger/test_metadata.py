"""`metadata` and `altText`: the caller's own data, which is checked, compared, and never sent to Wireflow."""

import json
from typing import Any

import pytest

from shared.submission import Submission
from tests.trigger.posting import batch, rejected, sent, submission

CAT = {"prompt": "a cat"}
ORDER = {"order": "1042", "shop.region": "EU-1", "_x-": ""}


async def test_metadata_is_the_same_in_json_in_forms_and_in_the_query() -> None:
    inside = await submission(sent(json={**CAT, "metadata": ORDER}))
    entries = {f"metadata.{key}": text for key, text in ORDER.items() if text}
    form = await submission(sent(data={**CAT, **entries}))
    query = await submission(sent("https://images.test/?metadata.order=1042&metadata.shop.region=EU-1", json=CAT))
    assert inside.metadata == ORDER
    assert form.metadata == query.metadata == {key: text for key, text in ORDER.items() if text}
    assert form.fingerprint == query.fingerprint
    assert inside.input == form.input == query.input == "{}"


async def test_each_entry_in_the_query_is_a_default_of_its_own() -> None:
    url = "https://images.test/?metadata.campaign=spring&metadata.order=0"
    expected = {"campaign": "spring", "order": "1042"}
    own = {**CAT, "metadata": {"order": "1042"}}
    assert (await submission(sent(url, json=own))).metadata == expected
    assert (await submission(sent(url, data={**CAT, "metadata.order": "1042"}))).metadata == expected
    for body in ([own], {"prompts": [own]}, {"prompts": [own], "metadata": {"campaign": "spring"}}):
        (one,) = (await batch(sent(url, json=body))).requests
        assert isinstance(one, Submission)
        assert one.metadata == expected


async def test_a_request_without_them_has_none() -> None:
    made = await submission(sent(json={**CAT, "metadata": None, "altText": ""}))
    assert (made.metadata, made.alt_text) == ({}, None)
    assert made.fingerprint == (await submission(sent(json=CAT))).fingerprint


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ("order=1042", "metadata"),
        (["order"], "metadata"),
        ({"order": 1042}, "metadata.order"),
        ({"order": None}, "metadata.order"),
        ({"order": {"id": "1042"}}, "metadata.order"),
        ({"": "x"}, "metadata"),
        ({"k" * 41: "x"}, "metadata"),
        ({"order id": "x"}, "metadata"),
        ({"größe": "x"}, "metadata"),
        ({"order\n": "x"}, "metadata"),
        ({f"k{n}": "x" for n in range(21)}, "metadata"),
        ({"k": "x" * 4_096}, "metadata"),
        ({"k": "ü" * 2_048}, "metadata"),
        ({"k": "\ud83d"}, "metadata"),
    ],
)
async def test_other_metadata_is_rejected_by_name(metadata: Any, field: str) -> None:
    assert await rejected(sent(json={**CAT, "metadata": metadata})) == (422, field)


@pytest.mark.parametrize(
    "metadata", [{f"k{n}": "x" for n in range(20)}, {"k": "x" * 4_095}, {"k" * 40: "x"}, {"Az09_.-": "ü\n"}]
)
async def test_metadata_may_be_as_large_as_documented(metadata: dict[str, str]) -> None:
    assert (await submission(sent(json={**CAT, "metadata": metadata}))).metadata == metadata


async def test_a_repeated_or_malformed_entry_of_a_form_is_rejected() -> None:
    assert await rejected(sent(data={**CAT, "metadata.order": ["1", "2"]})) == (422, "metadata.order")
    assert await rejected(sent(data={**CAT, "metadata.": "1"})) == (422, "metadata")
    assert await rejected(sent(data={**CAT, "metadata": json.dumps(ORDER)})) == (422, "metadata")


@pytest.mark.parametrize("text", [7, ["a cat"], "x" * 501])
async def test_an_alternative_text_is_a_short_string(text: Any) -> None:
    assert await rejected(sent(json={**CAT, "altText": text})) == (422, "altText")
    assert (await submission(sent(json={**CAT, "altText": "x" * 500}))).alt_text == "x" * 500


@pytest.mark.parametrize("changed", [{"metadata": {"order": "2"}}, {"altText": "Another cat"}, {}])
async def test_requests_that_differ_in_them_are_different(changed: dict[str, Any]) -> None:
    first = await submission(sent(json={**CAT, "metadata": {"order": "1"}, "altText": "A cat"}))
    whole = {**CAT, "metadata": {"order": "1"}, "altText": "A cat", **changed} if changed else CAT
    assert first.fingerprint != (await submission(sent(json=whole))).fingerprint
