"""Arrays: each element is a request with defaults; a problem says which one; all are good, or none is taken."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.parse import ParsedRequest
from shared.idempotency import IdempotencyKey, fingerprint
from shared.problems import Problem
from shared.submission import Submission
from tests.trigger.posting import BEARER, BROWSER, TOKEN, all_orders, refusal, refused, sent, submission

PARTIAL = "https://images.test/?partial=true"


def good(found: ParsedRequest) -> list[Submission]:
    assert all(isinstance(made, Submission) for made in found.submissions)
    return [made for made in found.submissions if isinstance(made, Submission)]


async def test_elements_are_texts_or_requests_and_siblings_are_their_defaults() -> None:
    body = {"prompts": ["a cat", {"prompt": "a dog", "style": "oil"}, {}], "style": "noir", "prompt": "a fox"}
    found = await all_orders(sent("https://images.test/?deadlineSeconds=60", json={**body, "token": "secret"}))
    assert (found.array, found.row_names) == (True, ("prompts[0]", "prompts[1]", "prompts[2]"))
    assert [made.prompt for made in good(found)] == ["a cat", "a dog", "a fox"]
    assert [json.loads(made.input)["style"] for made in good(found)] == ["noir", "oil", "noir"]
    assert {made.deadline_seconds for made in good(found)} == {60.0}


async def test_a_bare_array_is_an_array() -> None:
    found = await all_orders(sent(json=["a cat", {"prompt": "a dog"}]))
    assert ([made.prompt for made in good(found)], found.row_names) == (["a cat", "a dog"], ("[0]", "[1]"))
    alone = await submission(sent(json={"prompt": "a cat"}))
    assert good(found)[0].fingerprint == alone.fingerprint


async def test_a_form_may_repeat_prompts() -> None:
    found = await all_orders(sent(data={"prompts": ["a cat", "a dog", ""], "style": "noir"}))
    assert [made.prompt for made in good(found)] == ["a cat", "a dog"]


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
async def test_what_is_wrong_is_named_by_its_place(body: Any, field: str | None) -> None:
    assert await refusal(sent(json=body)) == (422, field)


async def test_100_are_taken() -> None:
    assert len(good(await all_orders(sent(json=["a cat"] * 100)))) == 100


async def test_with_partial_each_bad_one_has_its_problem_and_the_others_are_taken() -> None:
    body = {"prompts": ["a cat", "", {"prompt": "a dog", "allowPartial": 1}, "a fox"], "idempotencyKey": "k"}
    found = await all_orders(sent(PARTIAL, json=body))
    first, second, third, fourth = found.submissions
    assert isinstance(second, Problem)
    assert isinstance(third, Problem)
    assert (found.partial, second.field, third.field) == (True, "prompts[1]", "prompts[2].allowPartial")
    assert isinstance(first, Submission)
    assert isinstance(fourth, Submission)
    assert (first.key, fourth.key) == (IdempotencyKey("key", "k", 0), IdempotencyKey("key", "k", 3))


@pytest.mark.parametrize("text", ["false", "0", ""])
async def test_without_partial_the_first_bad_one_refuses_all(text: str) -> None:
    url = f"https://images.test/?partial={text or '0'}"
    assert await refusal(sent(url, json=["", {}])) == (422, "[0].prompt")


# --- keys ----------------------------------------------------------------------------------------------------------


async def test_one_key_serves_as_key_and_index_unless_an_element_has_its_own() -> None:
    body = [{"prompt": "a"}, {"prompt": "b", "idempotencyKey": "own"}, {"prompt": "c", "dedupeField": "prompt"}]
    keyed = good(await all_orders(sent(json=body, headers={"Idempotency-Key": "k"})))
    assert [made.key for made in keyed] == [
        IdempotencyKey("key", "k", 0),
        IdempotencyKey("key", "own"),
        IdempotencyKey("key", "k", 2),
    ]
    unkeyed = good(await all_orders(sent(json=body)))
    assert [made.key for made in unkeyed] == [
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
async def test_every_kind_of_key_serves_an_array(
    headers: dict[str, str], beside: dict[str, Any], key: IdempotencyKey
) -> None:
    found = await all_orders(sent(json={"prompts": ["a cat"], **beside}, headers=headers))
    assert [made.key for made in good(found)] == [key]


async def test_the_key_of_an_array_is_not_compared() -> None:
    found = await all_orders(sent(json={"prompts": ["a cat"], "idempotencyKey": "k", "style": "noir"}))
    assert good(found)[0].fingerprint == fingerprint('{"prompt": "a cat", "style": "noir"}')


# --- who may, and how much -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [["a cat"], {"prompts": ["a cat"]}, {"prompts": 7}])
@pytest.mark.parametrize("door", [CallerKind.FORM, CallerKind.OPEN])
async def test_without_a_credential_an_array_is_403(body: Any, door: CallerKind) -> None:
    assert (await refused(sent(json=body), Caller(door))).code == "forbidden"


async def test_a_browser_cannot_hide_an_array_in_the_query() -> None:
    request = sent("https://images.test/?prompts=a&prompts=b", json={})
    assert (await refused(request, BROWSER)).code == "forbidden"


async def test_prompts_in_the_query_do_not_fit_an_array() -> None:
    assert await refusal(sent("https://images.test/?prompts=a", json=["a cat"])) == (422, "prompts")


async def test_what_the_defaults_make_of_an_array_may_have_8_mib() -> None:
    style = "x" * 800_000
    found = await all_orders(sent(json={"prompts": ["a cat"] * 10, "style": style}, headers=BEARER))
    assert len(good(found)) == 10
    for url in ("https://images.test/", PARTIAL):
        assert (await refusal(sent(url, json={"prompts": ["a cat"] * 11, "style": style}, headers=BEARER)))[0] == 413


async def test_each_request_may_have_900_kib() -> None:
    body = [{"prompt": "a cat", "style": "x" * 921_600}, "a dog"]
    assert await refusal(sent(json=body, headers=BEARER)) == (413, "[0]")
    first, second = (await all_orders(sent(PARTIAL, json=body, headers=BEARER))).submissions
    assert isinstance(first, Problem)
    assert isinstance(second, Submission)


async def test_the_workflow_is_asked_about_each_element() -> None:
    seen = []

    async def check(workflow: str, fields: Mapping[str, Any], has_image: bool) -> None:
        seen.append((workflow, dict(fields), has_image))
        if workflow == "unknown":
            raise Problem.wrong("There is no such workflow.", "workflow")

    body = {"prompts": ["a", {"prompt": "b", "workflow": "pro", "image1": "https://a.example/b.png"}], "style": "x"}
    await all_orders(sent(json=body), TOKEN, check)
    assert seen == [("default", {"style": "x"}, False), ("pro", {"style": "x"}, True)]
    unknown = {"prompts": ["a", {"prompt": "b", "workflow": "unknown"}]}
    assert await refusal(sent(json=unknown), TOKEN, check) == (422, "prompts[1].workflow")
