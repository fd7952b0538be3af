"""A graph as in step 2 of the guide starts a run; invalid graphs are rejected."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.simulator.run_requests import MODELS
from shared.workflows import MODELS as PRODUCT_MODELS
from tests.simulator.bodies import graph
from tests.simulator.conftest import GRAPH, KEY, Open, Vendor

Change = Callable[[dict[str, Any]], object]


async def posted(vendor: Vendor, body: object, **headers: str) -> Any:
    return await vendor.http.post(GRAPH, json=body, headers={**KEY, **headers})


@pytest.mark.parametrize("spelling", ["params", "config"])
async def test_the_guides_graph_starts_a_paid_run_of_its_prompt(vendor: Vendor, spelling: str) -> None:
    wanted = {"resolution": "2K", "aspect_ratio": "16:9"}
    response = await vendor.execute("A golden retriever in a meadow", spelling=spelling, **wanted)
    assert response.status_code == 201
    (run,) = await vendor.runs()
    assert (run["endpoint"], run["webhookId"]) == ("execute", "demo-execute")
    assert run["prompt"] == "A golden retriever in a meadow"
    assert (run["pictures"][0]["width"], run["pictures"][0]["height"]) == (2048, 1152)
    await vendor.clock.sleep(15)
    assert (await vendor.poll(run["executionId"])).json()["status"] == "COMPLETED"
    assert (await vendor.stats())["paidRuns"] == 1


async def test_the_long_response_has_the_run_in_a_batch_and_its_location(vendor: Vendor) -> None:
    response = await vendor.execute()
    body = response.json()
    (entry,) = body["executionRuns"]
    assert set(body) == {"workflowId", "batchId", "executionRuns"}
    assert (entry["id"], entry["status"], entry["endTime"]) == ("exec_00000001", "RUNNING", None)
    assert entry["batchId"] == body["batchId"]
    reported = await vendor.http.get(response.headers["location"], headers=KEY)
    assert reported.json()["status"] == "PENDING"


async def test_with_a_target_the_response_is_short(vendor: Vendor) -> None:
    response = await posted(vendor, {**graph(), "targetNodeId": "gen-1"})
    assert response.json() == {"executionId": "exec_00000001", "status": "RUNNING"}
    assert "location" not in response.headers


async def test_other_styles_are_under_data_and_the_nested_one_in_lower_case(open_vendor: Open) -> None:
    async with open_vendor(style="wrapped") as vendor:
        assert (await vendor.execute()).json()["data"]["status"] == "RUNNING"
    async with open_vendor(style="nested") as vendor:
        response = await vendor.execute()
        (entry,) = response.json()["data"]["executionRuns"]
        assert entry["status"] == "running"
        assert response.headers["location"].endswith(f"/{entry['id']}/poll")


@pytest.mark.parametrize(
    ("model", "resolution", "ratio", "size"),
    [
        ("nano_banana", None, None, (1024, 1024)),
        ("nano_banana_2", "512", "9:16", (288, 512)),
        ("nano_banana_2_1", "2K", "1:8", (256, 2048)),
        ("nano_banana_2_lite", None, "4:1", (1024, 256)),
        ("nano_banana_pro", None, "3:2", (1024, 683)),
        ("nano_banana_pro", "4K", "1:1", (4096, 4096)),
    ],
)
async def test_model_resolution_and_ratio_decide_the_size(
    vendor: Vendor, model: str, resolution: str | None, ratio: str | None, size: tuple[int, int]
) -> None:
    named = {"resolution": resolution, "aspect_ratio": ratio}
    await vendor.execute(model=model, **{name: value for name, value in named.items() if value})
    (drawn,) = vendor.simulator.state.runs.all()[0].images()
    assert (drawn.width, drawn.height) == size


async def test_a_known_key_replays_its_response_and_pays_once(vendor: Vendor) -> None:
    first = await vendor.execute("a cat", "key-1")
    await vendor.clock.sleep(20)
    again = await vendor.execute("a cat", "key-1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert (await vendor.stats())["paidRuns"] == 1


@pytest.mark.parametrize("path", [GRAPH, "/api/v1/workflows/demo-saved/run"])
@pytest.mark.parametrize("authorization", [None, "Bearer sk-other"])
async def test_without_the_api_key_nothing_starts_and_nothing_is_replayed(
    vendor: Vendor, path: str, authorization: str | None
) -> None:
    await vendor.execute("a cat", "key-1")
    await vendor.run("key-1", prompt="a cat")
    headers = {"Idempotency-Key": "key-1"} | ({"Authorization": authorization} if authorization else {})
    response = await vendor.http.post(path, json=graph(), headers=headers)
    assert response.status_code == 401
    assert (await vendor.stats())["paidRuns"] == 2


@pytest.mark.parametrize("path", ["/api/v1/workflows/demo-saved/execute", "/api/v1/workflows/demo-execute/run"])
async def test_another_workflow_is_404(vendor: Vendor, path: str) -> None:
    response = await vendor.http.post(path, json=graph(), headers=KEY)
    assert (response.status_code, response.json()) == (404, {"error": "Workflow not found"})


async def test_the_workflow_id_can_be_set(open_vendor: Open) -> None:
    async with open_vendor(execute_id="mine") as vendor:
        assert (await vendor.execute()).status_code == 404
        assert (await vendor.http.post(GRAPH.replace("demo-execute", "mine"), json=graph(), headers=KEY)).is_success


def at(*path: str | int) -> Callable[[object], Change]:
    """Return a change that sets the value at a path of the graph."""

    def put(value: object) -> Change:
        def change(body: Any) -> None:
            for step in path[:-1]:
                body = body[step]
            body[path[-1]] = value

        return change

    return put


text, image = ("nodes", 0, "data", "params"), ("nodes", 1, "data", "params")
INVALID: dict[str, tuple[int, str, Change]] = {
    "no nodes": (400, "nodes", lambda body: body.pop("nodes")),
    "no edges": (400, "edges", lambda body: body.pop("edges")),
    "nodes that are not a list": (400, "nodes", at("nodes")("all")),
    "a node that is not an object": (400, "nodeType", at("nodes", 0)("text")),
    "a node without a type": (400, "nodeType", at("nodes", 1, "data")({})),
    "an unknown node type": (400, "generate:dream", at("nodes", 1, "data", "nodeType")("generate:dream")),
    "no prompt": (400, "prompt", lambda body: body["nodes"][0]["data"].pop("params")),
    "a blank prompt": (400, "prompt", at(*text, "prompt")(" ")),
    "a prompt that is not a text": (400, "prompt", at(*text, "prompt")(7)),
    "a text that is not connected": (400, "prompt", at("edges")([])),
    "an edge to no node": (422, "edge", at("edges", 0, "target")("gen-2")),
    "an edge that is none": (422, "edge", at("edges", 0)("input-1")),
    "another handle": (422, "in-prompt", at("edges", 0, "targetHandle")("in-text")),
    "two nodes of one id": (422, "one id", at("nodes", 0, "id")("gen-1")),
    "nothing that generates": (422, "generates", at("nodes", 1, "data", "nodeType")("input:text")),
    "an unknown resolution": (422, "resolution", at(*image, "resolution")("9K")),
    "a resolution that is not a text": (422, "resolution", at(*image, "resolution")(["1K"])),
    "an unknown ratio": (422, "aspect_ratio", at(*image, "aspect_ratio")("64:1")),
    "an unknown fault": (400, "nonsense", at(*text, "prompt")("a cat [fault:nonsense]")),
}


@pytest.mark.parametrize("name", INVALID)
async def test_an_invalid_graph_is_rejected_with_its_problem_and_nothing_starts(vendor: Vendor, name: str) -> None:
    status, message, change = INVALID[name]
    body = copy.deepcopy(graph())
    change(body)
    response = await posted(vendor, body)
    assert (response.status_code, message in response.text) == (status, True), response.text
    assert (await vendor.stats())["paidRuns"] == 0


@pytest.mark.parametrize("body", [b"{no", b"[]", b'"a cat"', b""])
async def test_a_body_that_is_not_an_object_starts_nothing(vendor: Vendor, body: bytes) -> None:
    assert (await vendor.http.post(GRAPH, content=body, headers=KEY)).status_code == 400
    assert (await vendor.stats())["paidRuns"] == 0


async def test_models_reject_resolutions_ratios_and_input_images_that_they_lack(vendor: Vendor) -> None:
    assert (await vendor.execute(model="nano_banana_2_1", resolution="512")).status_code == 422
    assert (await vendor.execute(model="nano_banana_2_lite", resolution="1K")).status_code == 422
    assert (await vendor.execute(model="nano_banana_pro", aspect_ratio="8:1")).status_code == 422
    rejected = await vendor.execute(model="nano_banana_2_lite", image1="http://wireflow.test/cdn/uploads/1.png")
    assert (rejected.status_code, "takes no input image" in rejected.text) == (422, True)


def test_every_model_of_the_product_is_known() -> None:
    assert MODELS.keys() == {f"generate:{name}" for name in PRODUCT_MODELS}


async def test_node_states_have_the_label_of_the_model(open_vendor: Open) -> None:
    async with open_vendor(style="wrapped") as vendor:
        for node_type, model in MODELS.items():
            run = (await vendor.execute(model=node_type.removeprefix("generate:"))).json()["data"]["executionId"]
            states = (await vendor.poll(run)).json()["data"]["nodeStates"]
            assert [state["label"] for state in states] == ["Text", model.label]


async def test_nodes_keep_the_ids_and_labels_of_the_request(vendor: Vendor) -> None:
    body = json.loads(json.dumps(graph()).replace("gen-1", "mine").replace('"category"', '"label": "Mine", "category"'))
    await posted(vendor, body)
    await vendor.clock.sleep(15)
    reported = (await vendor.poll("exec_00000001")).json()
    assert reported["nodeResults"]["nodeRuns"][0]["nodeId"] == "mine"
