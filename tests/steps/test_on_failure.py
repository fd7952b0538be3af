"""`onFailure`: a response with a failed job is a problem for callers that take every 2xx for a success."""

from typing import Any

import pytest

from tests.harness.world import SMALL, World
from tests.images.sample_images import encoded
from tests.steps.test_prefer_wait import polling


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_failed_job_is_answered_as_a_problem(world: World, key: str | None) -> None:
    answer = await world.post("[fault:bad_request]", key=key, onFailure="error")
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (problem["errorCode"], problem["jobErrorCode"]) == ("job_failed", "invalid_request")
    assert problem["errorCharged"] == "no"
    job = (await world.http.get(problem["statusUrl"])).json()
    assert job["status"] == "failed"
    assert job["errorMessage"].rstrip(".") in problem["detail"]
    assert job["errorHint"] in problem["detail"]


async def test_a_replay_says_so_and_pays_nothing(world: World) -> None:
    await world.post("[fault:bad_request]", key="k")
    again = await world.post("[fault:bad_request]", key="k", onFailure="error")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (422, "true")
    assert (await world.post("[fault:bad_request]", key="k")).status_code == 200


async def test_any_other_job_is_answered_as_ever(world: World) -> None:
    answer = await world.post(onFailure="error", key="k")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    await world.end_of(answer.json()["id"])
    again = await world.post(onFailure="error", key="k")
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert "onFailure" not in str([run.input for run in world.simulator.state.runs.all()])


@pytest.mark.parametrize("value", ["job", "ERROR", True, ["error"]])
async def test_another_value_is_rejected_before_anything_is_stored(world: World, value: Any) -> None:
    answer = await world.post(onFailure=value)
    assert (answer.status_code, answer.json()["field"]) == (422, "onFailure")
    assert world.paid == 0


FAILING = {"prompt": "a cat [fault:moderation]", **SMALL}
FORM = {name: str(value) for name, value in FAILING.items()}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/", {"json": {**FAILING, "onFailure": "error"}}),
        ("/", {"data": {**FORM, "onFailure": "error"}}),
        ("/", {"data": {**FORM, "onFailure": "error"}, "files": {"image1": ("a.png", encoded("png", 4, 3))}}),
        ("/?onFailure=error", {"json": FAILING}),
        ("/?onFailure=error", {"data": FORM}),
    ],
    ids=["JSON", "form", "multipart", "query", "form with query"],
)
async def test_a_job_that_fails_while_the_caller_waits_is_answered_as_a_problem(
    world: World, url: str, body: dict[str, Any]
) -> None:
    async with polling(world):
        answer = await world.http.post(url, headers={"Prefer": "wait=25"}, **body)
    assert (answer.status_code, answer.json()["errorCode"]) == (422, "job_failed"), answer.text
    assert answer.json()["jobErrorCode"] == "moderation"
    assert answer.headers["preference-applied"].startswith("wait=")
    assert (await world.http.get(answer.json()["statusUrl"])).json()["status"] == "failed"
    assert "onFailure" not in str([run.input for run in world.simulator.state.runs.all()])


async def test_it_may_be_in_the_query(world: World) -> None:
    answer = await world.http.post("/?onFailure=error", json={"prompt": "[fault:bad_request]"})
    assert answer.json()["errorCode"] == "job_failed"
