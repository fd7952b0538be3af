"""Workflows by name: three modes, one contract for callers, and never an id of Wireflow's."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.job import Status
from tests.harness.world import World
from tests.steps.conftest import Open

PRICES = {"1K": 0.13, "2K": 0.13, "4K": 0.24}
WORKFLOWS = {
    "pro": {
        "mode": "execute",
        "id": "demo-execute",
        "model": "nano_banana_pro",
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": PRICES,
        "overridable": ["aspect_ratio"],
    },
    "saved": {"mode": "run", "id": "demo-saved", "pricePerImage": 0.07},
    "hook": {"mode": "webhook", "id": "demo-webhook"},
}
NAMED = {"WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS)}
IDS = ("demo-execute", "demo-saved", "demo-webhook")


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({}, "trigger"),
        ({"workflow": "hook"}, "trigger"),
        ({"workflow": "pro", "aspect_ratio": "1:1"}, "execute"),
        ({"workflow": "saved", "Style": "ink"}, "run"),
        ({"workflow": "saved", "text-style": "ink"}, "run"),
    ],
)
async def test_each_mode_starts_one_run_and_ends_with_an_image(
    open_world: Open, fields: dict[str, Any], endpoint: str
) -> None:
    async with open_world(**NAMED) as here:
        answer = await here.http.post("/", json={"prompt": "a cat", **fields})
        (job,) = await here.end_of(answer.json()["id"])
        assert (job["status"], job["workflow"]) == ("succeeded", fields.get("workflow", "default"))
        (call,) = here.vendor.to(endpoint)
        assert call.key == f"{job['id']}.1"
        assert here.paid == 1


async def test_a_run_by_inputs_is_started_at_once_when_the_inputs_are_known(open_world: Open) -> None:
    async with open_world(**NAMED) as here:
        answer = await here.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Style": "ink"})
        assert answer.json()["status"] == "running"
        assert json.loads(here.vendor.to("run")[0].request.content) == {
            "inputs": {"text-prompt": "a cat", "text-style": "ink"}
        }


async def test_a_run_by_inputs_waits_while_wireflow_cannot_tell_them(open_world: Open) -> None:
    async with open_world(**NAMED) as here:
        here.vendor.always("describe", 500)
        answer = await here.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Style": "ink"})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        await here.run_window()
        assert (await here.job(answer.json()["id"]))["waitReason"] == "upstream_unreachable"
        here.vendor.reset()
        (job,) = await here.end_of(answer.json()["id"])
        assert (job["status"], here.paid) == ("succeeded", 1)


async def test_a_field_that_nobody_could_check_fails_the_job_unpaid(open_world: Open) -> None:
    async with open_world(**NAMED) as here:
        here.vendor.always("describe", 500)
        answer = await here.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Stile": "ink"})
        here.vendor.reset()
        (job,) = await here.end_of(answer.json()["id"])
        assert (job["errorCode"], job["errorCharged"], here.paid) == ("invalid_request", "no", 0)
        assert "Stile" in job["errorMessage"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such workflow": ({"workflow": "prom"}, "workflow"),
    "no text": ({"workflow": ["pro"]}, "workflow"),
    "locked": ({"workflow": "pro", "resolution": "1K"}, "resolution"),
    "no such ratio": ({"workflow": "pro", "aspect_ratio": "2:7"}, "aspect_ratio"),
    "another name": ({"workflow": "pro", "style": "ink"}, "style"),
    "no such input": ({"workflow": "saved", "Stile": "ink"}, "Stile"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_field_that_does_not_fit_the_workflow_is_refused_by_its_name(open_world: Open, case: str) -> None:
    fields, field = BAD[case]
    async with open_world(**NAMED) as here:
        answer = await here.http.post("/", json={"prompt": "a cat", **fields})
        assert (answer.status_code, answer.json()["field"], here.paid) == (422, field, 0)
        assert not any(one in answer.text for one in IDS)


async def test_the_list_of_workflows_shows_everything_but_their_ids(open_world: Open) -> None:
    async with open_world(**NAMED) as here:
        answer = await here.http.get("/workflows")
        shown = {workflow["name"]: workflow for workflow in answer.json()["workflows"]}
        assert list(shown) == ["default", "pro", "saved", "hook"]
        pro = shown["pro"]
        assert (pro["mode"], pro["model"], pro["resolution"], pro["aspectRatio"], pro["overridable"]) == (
            "execute",
            "nano_banana_pro",
            "2K",
            "16:9",
            ["aspect_ratio"],
        )
        assert (pro["pricePerImage"], shown["saved"]["pricePerImage"]) == (PRICES, 0.07)
        assert "Style" in [field["name"] for field in shown["saved"]["fields"]]
        assert shown["hook"]["fields"] is None
        assert not any(one in answer.text for one in IDS)


async def test_a_workflow_that_is_not_configured_any_more_ends_its_waiting_jobs_unpaid(open_world: Open) -> None:
    async with open_world(**NAMED) as before:
        before.vendor.always("execute", 503)
        answer = await before.http.post("/", json={"prompt": "a cat", "workflow": "pro"})
        async with open_world(simulator=before.simulator) as after:
            (job,) = await after.end_of(answer.json()["id"])
            assert (job["errorCode"], job["errorCharged"], after.paid) == ("configuration", "no", 0)


@pytest.mark.parametrize("workflow", ["pro", "saved"])
async def test_an_unknown_outcome_of_any_mode_is_repeated_once_with_the_same_key(
    open_world: Open, workflow: str
) -> None:
    async with open_world(**NAMED) as here:
        answer = await here.http.post("/", json={"prompt": "a cat [fault:hang_after_start]", "workflow": workflow})
        (job,) = await here.end_of(answer.json()["id"], patience=timedelta(hours=1))
        assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", True, 1)
        calls = here.vendor.to({"pro": "execute", "saved": "run"}[workflow])
        assert [call.key for call in calls] == [f"{job['id']}.1"] * 2


async def test_what_wireflow_reports_of_its_nodes_is_shown(here: World) -> None:
    job_id = await here.accepted("a cat [fault:wrapped]")
    (job,) = await here.end_of(job_id)
    assert {"label", "status", "progress"} == set(job["steps"][0])
    assert (await here.record(job_id)).status is Status.SUCCEEDED
