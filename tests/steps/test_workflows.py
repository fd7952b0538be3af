"""Workflows by name: three modes behind one contract, and Wireflow's ids are never shown."""

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.trigger.routes.workflows import workflow_fields
from shared.job_states import Status
from shared.workflows import MODELS
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

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
SETTINGS = {"WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS)}
WORKFLOW_IDS = ("demo-execute", "demo-saved", "demo-webhook")


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
    open_world: OpenWorld, fields: dict[str, Any], endpoint: str
) -> None:
    async with open_world(**SETTINGS) as world:
        response = await world.http.post("/", json={"prompt": "a cat", **fields})
        (job,) = await world.end_of(response.json()["id"])
        assert (job["status"], job["workflow"]) == ("succeeded", fields.get("workflow", "default"))
        (call,) = world.vendor.to(endpoint)
        assert call.key == f"{job['id']}.1"
        assert world.paid == 1


async def test_a_saved_workflow_is_started_at_once_if_its_inputs_are_known(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Style": "ink"})
        assert response.json()["status"] == "running"
        assert json.loads(world.vendor.to("run")[0].request.content) == {
            "inputs": {"text-prompt": "a cat", "text-style": "ink"}
        }


async def test_an_input_may_be_named_by_its_id_or_its_label(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        names = workflow_fields(world.deps)
        assert {"text-style", "Style", "prompt"} <= set(await names("saved") or ())
        assert (await names("hook"), await names("unknown")) == ([], [])


async def test_a_saved_workflow_waits_while_its_inputs_cannot_be_fetched(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        world.vendor.always("describe", 500)
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Style": "ink"})
        assert (response.status_code, response.json()["status"]) == (202, "queued")
        await world.run_window()
        assert (await world.job(response.json()["id"]))["waitReason"] == "upstream_unreachable"
        world.vendor.reset()
        (job,) = await world.end_of(response.json()["id"])
        assert (job["status"], world.paid) == ("succeeded", 1)


async def test_an_unknown_field_that_is_found_after_acceptance_fails_the_job_at_no_cost(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        world.vendor.always("describe", 500)
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "saved", "Stile": "ink"})
        world.vendor.reset()
        (job,) = await world.end_of(response.json()["id"])
        assert (job["errorCode"], job["errorCharged"], world.paid) == ("invalid_request", "no", 0)
        assert "Stile" in job["errorMessage"]


REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown workflow": ({"workflow": "prom"}, "workflow"),
    "not a string": ({"workflow": ["pro"]}, "workflow"),
    "locked": ({"workflow": "pro", "resolution": "1K"}, "resolution"),
    "unknown aspect ratio": ({"workflow": "pro", "aspect_ratio": "2:7"}, "aspect_ratio"),
    "unknown field": ({"workflow": "pro", "style": "ink"}, "style"),
    "unknown input": ({"workflow": "saved", "Stile": "ink"}, "Stile"),
}


@pytest.mark.parametrize("case", REJECTED)
async def test_a_field_that_the_workflow_does_not_allow_is_named_in_the_problem(
    open_world: OpenWorld, case: str
) -> None:
    fields, field = REJECTED[case]
    async with open_world(**SETTINGS) as world:
        response = await world.http.post("/", json={"prompt": "a cat", **fields})
        assert (response.status_code, response.json()["field"], world.paid) == (422, field, 0)
        assert not any(workflow_id in response.text for workflow_id in WORKFLOW_IDS)


async def test_the_list_of_workflows_has_everything_but_their_ids(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        response = await world.http.get("/workflows")
        workflows = {workflow["name"]: workflow for workflow in response.json()["workflows"]}
        assert list(workflows) == ["default", "pro", "saved", "hook"]
        pro = workflows["pro"]
        assert (pro["mode"], pro["model"], pro["resolution"], pro["aspectRatio"], pro["overridable"]) == (
            "execute",
            "nano_banana_pro",
            "2K",
            "16:9",
            ["aspect_ratio"],
        )
        assert (pro["pricePerImage"], workflows["saved"]["pricePerImage"]) == (PRICES, 0.07)
        assert "Style" in [field["name"] for field in workflows["saved"]["fields"]]
        assert workflows["hook"]["fields"] is None
        assert not any(workflow_id in response.text for workflow_id in WORKFLOW_IDS)


async def test_the_list_of_workflows_warns_of_a_model_that_is_about_to_end(open_world: OpenWorld) -> None:
    old = {name: {"mode": "execute", "id": "demo-execute", "model": name} for name in ("nano_banana", "nano_banana_2")}
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps(old)) as world:
        shown = (await world.http.get("/workflows")).json()["workflows"]
        assert [(one["model"], one["modelStatus"], one["modelSuccessor"]) for one in shown] == [
            (None, None, None),
            ("nano_banana", "retired", "nano_banana_2_lite"),
            ("nano_banana_2", "deprecated", "nano_banana_2_1"),
        ]


@pytest.mark.parametrize("model", MODELS)
async def test_wireflow_accepts_the_defaults_of_every_model(open_world: OpenWorld, model: str) -> None:
    workflows = {"one": {"mode": "execute", "id": "demo-execute", "model": model}}
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps(workflows)) as world:
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "one"})
        (job,) = await world.end_of(response.json()["id"])
        assert (job["status"], job["images"][0]["width"], world.paid) == ("succeeded", 1024, 1)


async def test_a_queued_job_fails_at_no_cost_if_its_workflow_is_no_longer_configured(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as before:
        before.vendor.always("execute", 503)
        response = await before.http.post("/", json={"prompt": "a cat", "workflow": "pro"})
        async with open_world(simulator=before.simulator) as after:
            (job,) = await after.end_of(response.json()["id"])
            assert (job["errorCode"], job["errorCharged"], after.paid) == ("configuration", "no", 0)


@pytest.mark.parametrize("workflow", ["pro", "saved"])
async def test_an_unknown_outcome_is_retried_once_with_the_same_key_in_every_mode(
    open_world: OpenWorld, workflow: str
) -> None:
    async with open_world(**SETTINGS) as world:
        response = await world.http.post("/", json={"prompt": "a cat [fault:hang_after_start]", "workflow": workflow})
        (job,) = await world.end_of(response.json()["id"], patience=timedelta(hours=1))
        assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", True, 1)
        calls = world.vendor.to({"pro": "execute", "saved": "run"}[workflow])
        assert [call.key for call in calls] == [f"{job['id']}.1"] * 2


async def test_the_steps_of_a_run_are_public(world: World) -> None:
    job_id = await world.accepted("a cat [fault:wrapped]")
    (job,) = await world.end_of(job_id)
    assert {"label", "status", "progress"} == set(job["steps"][0])
    assert (await world.record(job_id)).status is Status.SUCCEEDED
