"""A refusal by the provider of the model is told from every other failure, in the wordings that providers publish."""

import json
from typing import Any

import pytest

from shared.ports import RunResponse
from shared.wireflow.protocol import read_run
from shared.wireflow.refusals import is_refusal
from tests.vendor.expectations import NOW

REFUSALS = [
    "The content could not be processed because it was flagged by a content checker.",
    "The content could not be processed because it contained material flagged by a content checker.",
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "Your prompt contains sensitive words that violate our rules.",
    "Generation stopped: IMAGE_RECITATION",
    "finishReason: IMAGE_SAFETY",
    "Unable to show the generated image. The model blocked the request due to PROHIBITED_CONTENT.",
    "content_policy_violation",
    "Your request was rejected by the safety system. If you believe this is an error, contact us.",
    "Your request was rejected as a result of our safety system. safety_violations=[sexual].",
    "The response was filtered due to the prompt triggering our content management policy (content_filter).",
    "The images were filtered out because they violated the Generative AI Prohibited Use policy.",
    "Request Moderated",
    "Content Moderated",
    "NSFW content detected.",
    "The prompt was blocked for safety reasons.",
    "This request violates our usage policies.",
    "The input violates the platform's Responsible AI practices.",
    # fal, Imagen, Kling, MiniMax, Stability, Ideogram, Recraft, Runway, Flow, Vertex AI, Bedrock, Civitai, BFL.
    "The generated image was blocked by the safety filter.",
    "The images provided may contain likenesses of real people or other private information that cannot be processed.",
    "The response is blocked, as it may violate our policies. Error Code: 58061214",
    "Failure to pass the risk control system",
    "Trigger strategy, trigger the content security policy of the platform",
    "input new_sensitive",
    "Your request was flagged by our content moderation system, as a result your request was denied.",
    "Prompt provided failed safety check due to the inclusion of prohibited content.",
    "Prompt contains forbidden words",
    "Banned prompt detected",
    "Failed: SAFETY.INPUT.TEXT",
    "PUBLIC_ERROR_UNSAFE_GENERATION",
    "The model response was blocked by Model Armor.",
    "This request has been blocked by our content filters. Please adjust your text prompt to submit a new request.",
    "Content flagged for review",
    "Derivative Works Filter",
    "The prompt violates our community rules",
    "Potentially harmful content detected",
]
OTHER_FAILURES = [
    "The provider answered with an error: internal model failure.",
    'Timed out after 300 s while generating "a poster about road safety"',
    'The request timed out: "road safety"',
    "504: deadline exceeded in the content policy service",
    "The moderation service is temporarily unavailable",
    "Rate limit exceeded for content moderation",
    "The model is overloaded. Please try again later.",
    "ECONNRESET while calling the safety checker",
    "insert violates unique constraint jobs_pkey",
    "GPU out of memory at moderate load",
    "Could not load the input image",
    "The content type image/heic is not allowed",
    "Access denied: content could not be fetched",
    "The request was rejected because the prompt exceeds 4000 tokens",
    "prompt rejected: too long",
    "Blocked by a firewall while sending the prompt",
    "Request blocked by CORS policy",
    "Failed to load the safety checker",
    "The safety checker could not be loaded: it can not be reached",
    "Job flagged as stuck and was canceled",
    "The model needs an explicit output size",
    "CUDA error: unsafe legacy renegotiation disabled",
]


@pytest.mark.parametrize("words", REFUSALS)
def test_a_refusal_is_recognized(words: str) -> None:
    assert is_refusal(words, [], ["a cat"])


@pytest.mark.parametrize("words", OTHER_FAILURES)
def test_another_failure_is_not_a_refusal(words: str) -> None:
    assert not is_refusal(words, [], ["a cat"])


@pytest.mark.parametrize(
    "code",
    [
        *("content_policy_violation", "IMAGE_RECITATION", "IMAGE_SAFETY", "moderation_blocked", "content_filter"),
        *("InputTextSensitiveContentDetected", "DataInspectionFailed", "PROHIBITED_CONTENT", "SAFETY", "nsfw-content"),
        *("JAILBREAK", "MODEL_ARMOR", "SAFETY.INPUT.TEXT", "PUBLIC_ERROR_UNSAFE_GENERATION", "CONTENT_FILTERED"),
        *("OutputImageRiskDetection", "content_flagged", "prompt_blocked", "Request Moderated"),
    ],
)
def test_a_structured_code_decides_before_the_words(code: str) -> None:
    assert is_refusal("Something went wrong (timed out?)", ["invalid_request_error", code], [])
    assert is_refusal(None, [code], [])


@pytest.mark.parametrize(
    "code",
    ["timeout", "rate_limit_exceeded", "DEADLINE_EXCEEDED", "internal_server_error", "UNAVAILABLE", "overloaded"],
)
def test_a_transient_code_wins(code: str) -> None:
    assert not is_refusal("Rejected by the content moderation", [code], [])
    assert not is_refusal("", [code, "content_policy_violation"], [])


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (
            "Generation failed for: a leaflet on content moderation and safety systems",
            "A leaflet on content moderation and safety systems",
        ),
        (
            "The model failed (input: “nude study, flagged as inappropriate by the museum, oil”).",
            "Nude study, flagged as inappropriate by the museum, oil on canvas",
        ),
        ('The model failed on "NSFW warning sign".', "NSFW warning sign"),
        ("The model failed on 'content policy'.", "content policy"),
    ],
)
def test_what_an_error_quotes_of_the_prompt_decides_nothing(words: str, prompt: str) -> None:
    assert is_refusal(words, [], ["another prompt"])
    assert not is_refusal(words, [], [prompt])
    assert is_refusal(f"{words} It was flagged by a content checker.", [], [prompt])


def test_words_that_the_prompt_happens_to_have_still_count() -> None:
    assert is_refusal("Rejected by the content moderation", [], ["moderation of content in the style of a poster"])


def test_the_time_does_not_grow_with_the_square_of_the_prompt() -> None:
    prompt = "word " * 100_000
    assert not is_refusal(prompt[:2_000], [], [prompt])


# --- where errors are ----------------------------------------------------------------------------------------------

FLAGGED = "The content was flagged by a content checker."
FAL = [{"loc": ["body", "prompt"], "msg": FLAGGED, "type": "content_policy_violation", "input": {"prompt": "text"}}]
ERRORS: list[Any] = [
    FLAGGED,
    {"message": FLAGGED},
    {"msg": FLAGGED},
    {"detail": FLAGGED},
    {"detail": FAL},
    {"detail": [FLAGGED]},
    {"error": {"error": {"message": FLAGGED}}},
    {"errors": [{"message": FLAGGED}]},
    {"body": {"detail": FAL}},
    {"message": json.dumps({"detail": FAL})},
    json.dumps({"detail": FAL}),
    [FLAGGED],
]


def failed(**more: Any) -> RunResponse:
    return read_run(200, {}, json.dumps({"status": "FAILED", **more}).encode(), NOW)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_the_words_of_an_error_are_found_wherever_it_has_them(error: Any) -> None:
    node = {"nodeId": "gen-1", "status": "FAILED", "output": None}
    for response in (
        failed(error=error),
        failed(nodeStates=[{**node, "error": error}]),
        failed(error=None, nodeResults={"nodeRuns": [{**node, "error": None}, {**node, "error": error}]}),
        failed(nodeRuns=[{**node, "output": {"error": error}}]),
        failed(nodeRuns=[{**node, "errorMessage": error}]),
    ):
        assert response.error == FLAGGED
        assert is_refusal(response.error, response.error_codes, [])


def test_an_error_without_an_error_object_is_found() -> None:
    assert failed(detail=FAL).error == FLAGGED
    assert failed(message=FLAGGED).error == FLAGGED
    assert failed(nodeRuns=[{"nodeId": "gen-1", "output": {"detail": FAL}}]).error == FLAGGED


def test_codes_are_found_beside_the_words() -> None:
    response = failed(error={"code": "content_policy_violation", "message": "Try another prompt."})
    assert (response.error, is_refusal(response.error, response.error_codes, [])) == ("Try another prompt.", True)
    candidates = {"candidates": [{"finishReason": "IMAGE_RECITATION", "content": {}}]}
    response = failed(error="The model failed.", nodeRuns=[{"nodeId": "gen-1", "output": candidates}])
    assert is_refusal(response.error, response.error_codes, [])


def test_a_code_is_a_word_and_not_a_text_that_may_quote_the_prompt() -> None:
    prompt = "A sign about road safety and content policy"
    for name in ("reason", "status", "type", "code"):
        response = failed(error={name: f"Model failure for '{prompt}'", "message": "x"})
        assert not is_refusal(response.error, response.error_codes, [prompt])


@pytest.mark.parametrize("name", ["message", "reason", "detail", "statusMessage", "failure", "exception", "lastError"])
@pytest.mark.parametrize("status", ["FAILED", "error", " Failure "])
def test_a_failed_node_has_its_words_under_any_common_name(name: str, status: str) -> None:
    for node in ({"nodeId": "gen-1", "status": status, name: FLAGGED}, {"nodeId": "gen-1", "status": status}):
        message = FLAGGED if name in node else None
        assert failed(nodeStates=[node]).error == failed(nodeResults={"nodeRuns": [node]}).error == message
    assert failed(nodeStates=[{"nodeId": "gen-1", "status": "COMPLETED", "message": FLAGGED}]).error is None


@pytest.mark.parametrize(
    "error", [{"info": FLAGGED}, {"code": "x", "explanation": FLAGGED}, [{"cause": {"why": FLAGGED}}]]
)
def test_words_under_an_unknown_name_are_found_if_there_are_no_others(error: Any) -> None:
    assert failed(error=error).error == FLAGGED
    assert failed(error={"all": error, "message": "The model failed"}).error == "The model failed"


def test_the_error_of_a_node_is_added_to_that_of_its_run() -> None:
    response = failed(error="Workflow execution failed", nodeStates=[{"nodeId": "gen-1", "error": FLAGGED}])
    assert response.error == f"Workflow execution failed; {FLAGGED}"


def test_what_an_error_repeats_of_the_request_is_not_its_message() -> None:
    error = {"message": "The model failed", "input": {"message": "NSFW"}, "request": {"prompt": "nsfw", "error": "x"}}
    response = failed(error=error)
    assert (response.error, is_refusal(response.error, response.error_codes, [])) == ("The model failed; x", False)
