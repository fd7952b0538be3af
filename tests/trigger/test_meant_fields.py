"""Fields that are empty, misnamed, or added by browsers are read as they were meant, or the mistake is named."""

import json
from typing import Any

import pytest

from functions.trigger.parsing.fields import FIELDS
from shared.problems import Problem
from shared.submission import Submission
from tests.trigger.posting import BROWSER, any_fields, batch, parsed, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}


# --- empty fields --------------------------------------------------------------------------------------------------

OPTIONAL = ["workflow", "image1", "image2", "image3", "fromJob", "fromImage", "deadlineSeconds", "allowPartial"]
OPTIONAL += ["redirectUrl", "prompts", "then", "cf-turnstile-response", "altText", "metadata", "onFailure", "dryRun"]
OPTIONAL += ["callbackUrl", "callbackFormat"]


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_optional_field_is_absent(name: str, value: Any) -> None:
    plain = await submission(sent(json=CAT))
    assert await submission(sent(json={**CAT, name: value})) == plain
    event = sent(json={**CAT, name: value}, headers={"x-goog-pubsub-message-id": "1"})
    assert (await submission(event)).fingerprint == plain.fingerprint
    if value == "":
        assert await submission(sent(data={**CAT, name: value})) == plain


@pytest.mark.parametrize("value", [None, ""])
async def test_the_default_of_an_empty_optional_field_counts(value: Any) -> None:
    url = "https://images.test/?deadlineSeconds=60"
    assert (await submission(sent(url, json={**CAT, "deadlineSeconds": value}))).deadline_seconds == 60
    found = await batch(sent(json={"prompts": [{**CAT, "deadlineSeconds": value}], "deadlineSeconds": 60}))
    assert [one.deadline_seconds for one in found.requests if isinstance(one, Submission)] == [60]
    assert await rejected(sent(json=[{**CAT, "token": value}])) == (422, "[0].token")


@pytest.mark.parametrize("name", ["token", "formToken", "idempotencyKey", "dedupeField"])
@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_key_or_credential_in_json_is_rejected(name: str, value: Any) -> None:
    assert await rejected(sent(json={**CAT, name: value})) == (422, name)


@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_field_that_is_not_ours_is_unchanged(value: Any) -> None:
    made = await submission(sent(json={**CAT, "style": value, "Style": value, "website": value}))
    assert json.loads(made.input) == {"style": value, "Style": value, "website": value}


@pytest.mark.parametrize("value", [None, ""])
async def test_an_empty_prompt_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={"prompt": value})) == (422, "prompt")
    assert await rejected(sent(json={"prompts": value})) == (422, "prompts")


def test_every_field_of_ours_is_absent_kept_or_rejected_when_it_is_empty() -> None:
    kept = {name for name, field in FIELDS.items() if field.kept_empty_json}
    assert kept == {"prompt", "website", "token", "formToken", "idempotencyKey", "dedupeField"}
    assert FIELDS.keys() - kept == set(OPTIONAL)


# --- near misses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Prompt": "a cat"}, '"Prompt"'),
        ({" prompt": "a cat"}, '" prompt"'),
        ({"promt": "a cat"}, '"promt"'),
        ({"user_prompt": "a cat"}, '"user_prompt"'),
        ({"prompt[]": "a cat"}, '"prompt[]"'),
        ({"prompts[]": ["a cat"]}, '"prompts[]"'),
        ({"data[prompt]": "a cat"}, '"data[prompt]"'),
        ({"items[0][prompt]": "a cat"}, '"items[0][prompt]"'),
        ({"data": {"prompt": "a cat"}}, '"data.prompt"'),
        ({"body": {"fields": {"Prompt": "a cat"}}}, '"body.fields.Prompt"'),
        ({"negative_prompt": "a dog", "PROMPT": "a cat"}, '"PROMPT"'),
        ({"fields[prompt][value]": "a cat"}, '"fields[prompt][value]"'),
        ({"requests": [{"style": "noir"}, {"prompt": "a cat"}]}, '"requests.1.prompt"'),
        ({"body": json.dumps(CAT)}, '"body", a field with JSON in it'),
        ({"payload": json.dumps({"style": "noir", "prompts": ["a cat"]}, indent=2)}, '"payload", a field with JSON'),
        ({json.dumps(CAT): ""}, "a field with JSON in it"),
        ({"prompt": None, "Prompt": "a cat"}, 'The prompt is null, but the request has "Prompt"'),
        ({"prompt": None}, "The prompt is null. Send one"),
        ({"Prompt": "a cat", "data": {"prompt": "a cat"}}, '"Prompt"'),
        ({"prompt": ["a cat", "a dog"]}, "2 times"),
        ({"prompt": {"text": "a cat"}}, "an object"),
        ({"prompt": 7}, "a number"),
        ({"prompt": " "}, "blank"),
        ({"negative_prompt": "a dog"}, "The prompt is missing. Send one"),
        ({"caption": 'the word "prompt": what it means', "style": "{}"}, "The prompt is missing. Send one"),
        ({}, "The prompt is missing. Send one"),
    ],
)
async def test_what_was_meant_as_the_prompt_is_named(body: dict[str, Any], words: str) -> None:
    problem = await rejection(sent(json=body))
    assert (problem.code, problem.field) == ("invalid_field", "prompt")
    assert words in problem.detail
    in_batch = await rejection(sent(json=[body]))
    assert (words in in_batch.detail, in_batch.field) == (True, "[0].prompt")


async def test_a_form_that_sends_the_prompt_twice_is_told_so() -> None:
    problem = await rejection(sent(data={"prompt": ["a cat", "a dog"]}))
    assert "2 times" in problem.detail


async def test_a_name_in_half_characters_can_be_quoted() -> None:
    problem = await rejection(sent(content=b'{"pro\\ud83dmpt": "a cat"}', headers={"Content-Type": "application/json"}))
    assert problem.response().status_code == 422


# --- misspelled names ----------------------------------------------------------------------------------------------

MISSPELLED = {
    "dryrun": "dryRun",
    "dry_run": "dryRun",
    "Dry-Run": "dryRun",
    "callbackURL": "callbackUrl",
    "callback_url": "callbackUrl",
    "callback_format": "callbackFormat",
    "idempotency_key": "idempotencyKey",
    "Idempotency-Key": "idempotencyKey",
    "deadline_seconds": "deadlineSeconds",
    "redirectURL": "redirectUrl",
    "from_job": "fromJob",
    "ALTTEXT": "altText",
    "__on__failure__": "onFailure",
    "dryRun ": "dryRun",
    " dry run": "dryRun",
    "Workflow": "workflow",
    "work_flow": "workflow",
    "Then": "then",
    "Metadata": "metadata",
    "meta_data": "metadata",
    "Metadata.order": "metadata.order",
    "IMAGE1": "image1",
    "image_2": "image2",
    "Image 3": "image3",
    "Prompt": "prompt",
    "Prompts": "prompts",
    "Cf_Turnstile_Response": "cf-turnstile-response",
}


def said_of(name: str) -> str:
    shown = name if name == name.strip() else f'"{name}"'
    return f"There is no field {shown}. Did you mean {MISSPELLED[name]}?"


@pytest.mark.parametrize("name", MISSPELLED)
@pytest.mark.parametrize("value", ["true", ""])
async def test_a_misspelled_field_of_ours_is_rejected(name: str, value: str) -> None:
    fields = {**CAT, name: value}
    for request in (
        sent(json=fields),
        sent(data=fields),
        sent(files={key: (None, text) for key, text in fields.items()}),
        sent(json=fields, headers={"x-goog-pubsub-message-id": "1"}),
        sent(f"https://images.test/?{name}={value}", json=CAT),
    ):
        problem = await rejection(request)
        assert (problem.code, problem.field, problem.detail) == ("invalid_field", name, said_of(name))


@pytest.mark.parametrize("name", MISSPELLED)
async def test_a_misspelled_field_in_a_batch_is_rejected(name: str) -> None:
    for body, path in (
        ([CAT, {**CAT, name: "x"}], f"[1].{name}"),
        ({"prompts": ["a dog", {**CAT, name: "x"}]}, f"prompts[1].{name}"),
        ({"prompts": ["a dog"], name: "x"}, name),
    ):
        problem = await rejection(sent(json=body))
        assert (problem.code, problem.field, problem.detail) == ("invalid_field", path, said_of(name))


async def test_a_long_misspelled_name_is_shortened() -> None:
    problem = await rejection(sent(json={**CAT, f"dry{'_' * 1_000}run": True}))
    assert len(problem.field or "") == 80


async def test_similar_names_and_names_in_metadata_are_no_mistakes() -> None:
    inputs = {"web-site": "x", "dry_runs": "x", "workflows": "x", "image": "x", "negative_prompt": "x"}
    own = {"dry_run": "x", "callback_url": "x"}
    made = await submission(sent(json={**CAT, **inputs, "options": own, "metadata": own}))
    assert (json.loads(made.input), made.metadata) == ({**inputs, "options": own}, own)
    assert (await submission(sent(data={**CAT, "metadata.dry_run": "x"}))).metadata == {"dry_run": "x"}


async def test_a_misspelled_token_is_not_sent_to_wireflow() -> None:
    assert (await rejection(sent(json={**CAT, "Token": "x"}))).detail == "There is no field Token. Did you mean token?"


async def test_an_input_that_the_workflow_declares_is_no_mistake() -> None:
    async def declares(workflow: str) -> list[str]:
        return ["Workflow", "Alt Text", "metadata.x"] if workflow == "saved" else []

    inputs = {"Workflow": "x", "Alt Text": "x", "metadata.x": "x"}
    found = await parsed(sent(json={**CAT, **inputs, "workflow": "saved"}), fields=declares)
    assert isinstance(found.content, Submission)
    assert json.loads(found.content.input) == inputs
    assert await rejected(sent(json={**CAT, **inputs})) == (422, "Workflow")


async def test_while_the_inputs_are_not_known_a_name_of_one_word_may_be_one() -> None:
    async def unknown(_workflow: str) -> None:
        return None

    found = await parsed(sent(json={**CAT, "Workflow": "x"}), fields=unknown)
    assert isinstance(found.content, Submission)
    with pytest.raises(Problem, match="Did you mean dryRun"):
        await parsed(sent(json={**CAT, "dry_run": True}), fields=unknown)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["dryRun", "dryRun=", "allowPartial", "partial"])
async def test_a_flag_without_a_value_in_the_query_is_rejected(query: str) -> None:
    name = query.rstrip("=")
    problem = await rejection(sent(f"https://images.test/?{query}", json=CAT))
    assert (problem.field, f"{name}=true" in problem.detail) == (name, True)


async def test_an_entry_of_metadata_in_json_is_rejected_with_the_object_to_send() -> None:
    for body, path in (
        ({**CAT, "metadata.order": "5"}, "metadata.order"),
        ([{**CAT, "metadata.order": "5"}], "[0].metadata.order"),
        ({"prompts": ["a cat"], "metadata.order": "5"}, "metadata.order"),
    ):
        problem = await rejection(sent(json=body))
        assert (problem.field, '"metadata": {"order": "1042"}' in problem.detail) == (path, True)


# --- what browsers add ---------------------------------------------------------------------------------------------

ADDED = {
    "submit": "Send",
    "submit.x": "7",
    "submit.y": "9",
    "_charset_": "UTF-8",
    "utm_source": "news",
    "utm_id": "1",
    "Submit": "Go",
}


async def refuse_any(_caller: Any, _workflow: str, fields: Any, _images: int) -> None:
    """A workflow without any input of its own."""
    for name in fields:
        raise Problem.wrong("no such input", name)


@pytest.mark.parametrize("way", ["data", "files"])
async def test_fields_that_browsers_add_are_no_input(way: str) -> None:
    fields = {**CAT, **ADDED}
    content = {name: (None, value) for name, value in fields.items()} if way == "files" else fields
    found = await parsed(sent(**{way: content}), BROWSER, refuse_any)
    assert isinstance(found.content, Submission)
    assert found.content == await submission(sent(data=CAT), BROWSER)


async def test_in_json_the_same_names_are_inputs() -> None:
    made = await submission(sent(json={**CAT, **ADDED}))
    assert json.loads(made.input) == ADDED
    similar = {"submitted": "x", "my_utm_source": "x", "utm": "x", "charset": "x"}
    assert json.loads((await submission(sent(data={**CAT, **similar}))).input) == similar
    found = await parsed(sent("https://images.test/?utm_source=x&submit=1", json=CAT), check=any_fields)
    assert isinstance(found.content, Submission)
    assert found.content.input == "{}"
