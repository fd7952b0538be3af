"""Batches: each element is a request with defaults; a problem names the request; all are accepted, or none."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.batch import Batch
from shared.idempotency import IdempotencyKey, fingerprint
from shared.problems import Problem
from shared.submission import Submission
from tests.trigger.posting import BEARER, BROWSER, TOKEN, batch, parsed, rejected, rejection, sent, submission

PARTIAL = "https://images.test/?partial=true"


def valid(found: Batch) -> list[Submission]:
    submissions = [one for one in found.requests if isinstance(one, Submission)]
    assert len(submissions) == len(found.requests)
    return submissions


async def test_elements_are_strings_or_objects_and_the_fields_beside_them_are_defaults() -> None:
    body = {"prompts": ["a cat", {"prompt": "a dog", "style": "oil"}, {}], "style": "noir", "prompt": "a fox"}
    found = await batch(sent("https://images.test/?deadlineSeconds=60", json={**body, "token": "secret"}))
    assert found.paths == ("prompts[0]", "prompts[1]", "prompts[2]")
    assert [one.prompt for one in valid(found)] == ["a cat", "a dog", "a fox"]
    assert [json.loads(one.input)["style"] for one in valid(found)] == ["noir", "oil", "noir"]
    assert {one.deadline_seconds for one in valid(found)} == {60.0}


async def test_a_bare_array_is_a_batch() -> None:
    found = await batch(sent(json=["a cat", {"prompt": "a dog"}]))
    assert ([one.prompt for one in valid(found)], found.paths) == (["a cat", "a dog"], ("[0]", "[1]"))
    alone = await submission(sent(json={"prompt": "a cat"}))
    assert valid(found)[0].fingerprint == alone.fingerprint


async def test_a_form_may_repeat_prompts() -> None:
    found = await batch(sent(data={"prompts": ["a cat", "a dog", ""], "style": "noir"}))
    assert [one.prompt for one in valid(found)] == ["a cat", "a dog"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([{"prompt": "a cat"}, {"style": "x"}], "[1].prompt"),
        (["a cat", ""], "[1].prompt"),
        (["a cat", 7], "[1]"),
        ([None], "[0]"),
        ([["a cat"]], "[0]"),
        ([{"prompt": "a cat", "prompts": []}], "[0].prompts"),
        ([{"prompt": "a cat", "token": "t"}], "[0].token"),
        ([{"prompt": "a cat", "then": 1}], "[0].then"),
        ([{"prompt": "a cat", "style": "\ud83d"}], "[0].style"),
        ({"prompts": ["a cat", " "]}, "prompts[1]"),
        ({"prompts": ["a cat", 7]}, "prompts[1]"),
        ({"prompts": [{"prompt": "a cat", "deadlineSeconds": 0}]}, "prompts[0].deadlineSeconds"),
        ({"prompts": ["a cat"], "deadlineSeconds": 0}, "deadlineSeconds"),
        ({"prompts": ["a cat"], "callbackUrl": "x"}, "callbackUrl"),
        ({"prompts": ["a cat"], "dedupeField": "order"}, "dedupeField"),
        ({"prompts": ["a cat"], "idempotencyKey": ""}, "idempotencyKey"),
        ({"prompts": [{"prompt": "a cat", "idempotencyKey": ""}]}, "prompts[0].idempotencyKey"),
        ({"prompts": "a cat"}, "prompts"),
        ({"prompts": None}, "prompts"),
        ({"prompts": []}, "prompts"),
        ({"prompts": ["a cat"] * 101}, "prompts"),
        ([], None),
        (["a cat"] * 101, None),
    ],
)
async def test_an_invalid_request_is_named_by_its_path(body: Any, field: str | None) -> None:
    assert await rejected(sent(json=body)) == (422, field)


async def test_a_batch_may_have_100_requests() -> None:
    assert len(valid(await batch(sent(json=["a cat"] * 100)))) == 100


async def test_with_partial_each_invalid_request_has_its_problem_and_the_others_are_accepted() -> None:
    body = {"prompts": ["a cat", "", {"prompt": "a dog", "allowPartial": 1}, "a fox"], "idempotencyKey": "k"}
    found = await batch(sent(PARTIAL, json=body))
    first, second, third, fourth = found.requests
    assert isinstance(second, Problem)
    assert isinstance(third, Problem)
    assert (found.partial, second.field, third.field) == (True, "prompts[1]", "prompts[2].allowPartial")
    assert isinstance(first, Submission)
    assert isinstance(fourth, Submission)
    assert (first.key, fourth.key) == (IdempotencyKey("key", "k", 0), IdempotencyKey("key", "k", 3))


@pytest.mark.parametrize("text", ["false", "0", ""])
async def test_without_partial_the_first_invalid_request_rejects_all(text: str) -> None:
    url = f"https://images.test/?partial={text or '0'}"
    assert await rejected(sent(url, json=["", {}])) == (422, "[0].prompt")


# --- keys ----------------------------------------------------------------------------------------------------------


async def test_a_request_has_the_key_of_the_batch_and_its_index_or_a_key_of_its_own() -> None:
    body = [{"prompt": "a"}, {"prompt": "b", "idempotencyKey": "own"}, {"prompt": "c", "dedupeField": "prompt"}]
    keyed = valid(await batch(sent(json=body, headers={"Idempotency-Key": "k"})))
    assert [one.key for one in keyed] == [
        IdempotencyKey("key", "k", 0),
        IdempotencyKey("key", "own"),
        IdempotencyKey("key", "k", 2),
    ]
    unkeyed = valid(await batch(sent(json=body)))
    assert [one.key for one in unkeyed] == [
        None,
        IdempotencyKey("key", "own"),
        IdempotencyKey("field", '["prompt", "c"]'),
    ]


@pytest.mark.parametrize(
    ("headers", "beside", "key"),
    [
        ({}, {"idempotencyKey": "k"}, IdempotencyKey("key", "k", 0)),
        ({"webhook-id": "w"}, {}, IdempotencyKey("webhook-id", "w", 0)),
        ({"x-goog-pubsub-message-id": "7"}, {}, IdempotencyKey("message", "7", 0)),
        ({}, {"formToken": "f"}, IdempotencyKey("formToken", "f", 0)),
        ({}, {"dedupeField": "prompt"}, IdempotencyKey("field", '["prompt", "a cat"]')),
    ],
)
async def test_a_batch_may_have_any_kind_of_key(
    headers: dict[str, str], beside: dict[str, Any], key: IdempotencyKey
) -> None:
    found = await batch(sent(json={"prompts": ["a cat"], **beside}, headers=headers))
    assert [one.key for one in valid(found)] == [key]


async def test_the_key_of_a_batch_does_not_count_for_equality() -> None:
    found = await batch(sent(json={"prompts": ["a cat"], "idempotencyKey": "k", "style": "noir"}))
    assert valid(found)[0].fingerprint == fingerprint({"prompt": "a cat", "style": "noir"})


# --- who may, and how much -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [["a cat"], {"prompts": ["a cat"]}, {"prompts": 7}])
@pytest.mark.parametrize("kind", [CallerKind.FORM, CallerKind.OPEN])
async def test_without_a_credential_a_batch_is_403(body: Any, kind: CallerKind) -> None:
    assert (await rejection(sent(json=body), Caller(kind))).code == "forbidden"


async def test_a_browser_cannot_send_a_batch_in_the_query() -> None:
    request = sent("https://images.test/?prompts=a&prompts=b", json={})
    assert (await rejection(request, BROWSER)).code == "forbidden"


async def test_prompts_in_the_query_of_a_batch_are_rejected() -> None:
    assert await rejected(sent("https://images.test/?prompts=a", json=["a cat"])) == (422, "prompts")


async def test_a_batch_with_its_defaults_may_have_8_mib() -> None:
    style = "x" * 800_000
    found = await batch(sent(json={"prompts": ["a cat"] * 10, "style": style}, headers=BEARER))
    assert len(valid(found)) == 10
    for url in ("https://images.test/", PARTIAL):
        assert (await rejected(sent(url, json={"prompts": ["a cat"] * 11, "style": style}, headers=BEARER)))[0] == 413


async def test_each_request_may_have_900_kib() -> None:
    body = [{"prompt": "a cat", "style": "x" * 921_600}, "a dog"]
    assert await rejected(sent(json=body, headers=BEARER)) == (413, "[0]")
    first, second = (await batch(sent(PARTIAL, json=body, headers=BEARER))).requests
    assert isinstance(first, Problem)
    assert isinstance(second, Submission)


async def test_each_request_is_checked_against_its_workflow() -> None:
    seen = []

    async def check(_caller: Caller, workflow: str, fields: Mapping[str, Any], images: int) -> None:
        seen.append((workflow, dict(fields), images))
        if workflow == "unknown":
            raise Problem.wrong("There is no such workflow.", "workflow")

    body = {"prompts": ["a", {"prompt": "b", "workflow": "pro", "image1": "https://a.example/b.png"}], "style": "x"}
    await parsed(sent(json=body), TOKEN, check)
    assert seen == [("default", {"style": "x"}, 0), ("pro", {"style": "x"}, 1)]
    unknown = {"prompts": ["a", {"prompt": "b", "workflow": "unknown"}]}
    assert await rejected(sent(json=unknown), TOKEN, check) == (422, "prompts[1].workflow")
