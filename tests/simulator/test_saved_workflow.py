"""The saved workflow describes its inputs, validates them, and runs."""

import pytest

from tests.simulator.bodies import inputs
from tests.simulator.conftest import KEY, SAVED, Open, Vendor


async def test_the_inputs_are_described_for_free(vendor: Vendor) -> None:
    response = await vendor.describe()
    reported = response.json()["data"]
    assert set(reported) == {"workflowId", "workflowName", "inputs", "endpoint", "method", "example"}
    assert (reported["workflowId"], reported["method"]) == ("demo-saved", "POST")
    assert [(entry["label"], entry["type"], entry["required"]) for entry in reported["inputs"]] == [
        ("Prompt", "text", True),
        ("Reference image", "image", False),
        ("Style", "text", False),
        ("Aspect", "select", False),
    ]
    assert set(reported["inputs"][0]) == {"nodeId", "label", "type", "required", "default", "description"}
    assert "21:9" in reported["inputs"][3]["description"]
    assert (await vendor.stats())["paidRuns"] == 0


async def test_the_example_in_the_description_runs(vendor: Vendor) -> None:
    reported = (await vendor.describe()).json()["data"]
    assert (await vendor.http.post(reported["endpoint"], json=reported["example"], headers=KEY)).status_code == 202


async def test_a_description_needs_the_api_key_and_the_right_id(open_vendor: Open) -> None:
    async with open_vendor(run_id="mine") as vendor:
        assert (await vendor.http.get(SAVED)).status_code == 401
        assert (await vendor.describe()).status_code == 404
        assert (await vendor.http.get("/api/v1/workflows/mine/run", headers=KEY)).status_code == 200


@pytest.mark.parametrize(("style", "status"), [("flat", "RUNNING"), ("wrapped", "RUNNING"), ("nested", "running")])
async def test_a_run_starts_and_its_response_is_under_data(open_vendor: Open, style: str, status: str) -> None:
    async with open_vendor(style=style) as vendor:
        response = await vendor.run(prompt="a cat")
        assert response.status_code == 202
        assert response.json() == {"data": {"executionId": "exec_00000001", "status": status}}
        assert (await vendor.stats())["paidRuns"] == 1


async def test_the_values_decide_what_is_generated(vendor: Vendor) -> None:
    await vendor.run(prompt="a cat", style="in oil", aspect="16:9", image=None)
    (run,) = await vendor.runs()
    assert (run["endpoint"], run["prompt"], run["input"]) == ("run", "a cat", None)
    (drawn,) = vendor.simulator.state.runs.all()[0].images()
    assert (drawn.prompt, drawn.width, drawn.height) == ("a cat, in oil", 1024, 576)


async def test_a_known_key_replays_its_response_and_pays_once(vendor: Vendor) -> None:
    first = await vendor.run("key-1", prompt="a cat")
    assert (await vendor.run("key-1", prompt="a cat")).json() == first.json()
    assert (await vendor.stats())["paidRuns"] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Prompt"),
        ({"prompt": None}, "Prompt"),
        ({"prompt": " "}, "Prompt"),
        ({"prompt": 7}, "Prompt"),
        ({"prompt": "a cat", "style": ["oil"]}, "Style"),
        ({"prompt": "a cat", "aspect": "64:1"}, "Aspect"),
        ({"prompt": "a cat", "image": 7}, "Reference image"),
        ({"prompt": "a cat", "image": "https://elsewhere.test/a.png"}, "media/upload"),
        ({"prompt": "a cat", "Prompt": "a dog"}, "Unknown inputs: Prompt"),
    ],
)
async def test_invalid_or_missing_inputs_are_422_and_start_nothing(
    vendor: Vendor, values: dict[str, object], message: str
) -> None:
    response = await vendor.run(**values)
    assert (response.status_code, message in response.text) == (422, True), response.text
    assert (await vendor.stats())["paidRuns"] == 0


@pytest.mark.parametrize("body", [{}, {"inputs": []}, {"prompt": "a cat"}, []])
async def test_a_body_without_inputs_is_400(vendor: Vendor, body: object) -> None:
    response = await vendor.http.post(SAVED, json=body, headers=KEY)
    assert (response.status_code, response.json()) == (400, {"error": "Missing required fields: inputs"})


async def test_a_405_lists_the_methods_of_each_path(vendor: Vendor) -> None:
    assert (await vendor.http.delete(SAVED)).headers["allow"] == "POST, GET, HEAD"
    assert (await vendor.http.get(SAVED.replace("run", "execute"))).headers["allow"] == "POST"
    assert (await vendor.http.get("/api/v1/media/upload")).headers["allow"] == "POST"


async def test_faults_are_found_in_the_prompt_input(vendor: Vendor) -> None:
    body = inputs(prompt="a cat [fault:server_error_once] [fault:moderation]")
    codes = [(await vendor.http.post(SAVED, json=body, headers=KEY)).status_code for _ in range(2)]
    assert codes == [500, 202]
    await vendor.clock.sleep(15)
    (run,) = await vendor.runs()
    assert (await vendor.poll(run["executionId"])).json()["status"] == "FAILED"
