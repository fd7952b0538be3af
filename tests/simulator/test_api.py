"""Triggers, polls, details, keys, and errors are as Wireflow publishes them; the control routes work."""

from datetime import timedelta

import pytest

from functions.simulator.settings import Settings
from tests.simulator.bodies import image_file
from tests.simulator.conftest import Open, Vendor


async def test_a_trigger_starts_a_paid_run_that_ends_after_its_seconds(vendor: Vendor) -> None:
    response = await vendor.trigger("a cat in the sun")
    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    run = response.json()["executionId"]
    assert (await vendor.poll(run)).json()["status"] == "PENDING"
    await vendor.clock.sleep(14.9)
    assert (await vendor.poll(run)).json()["status"] == "RUNNING"
    await vendor.clock.sleep(0.1)
    done = (await vendor.poll(run)).json()
    assert done["status"] == "COMPLETED"
    images = done["nodeResults"]["nodeRuns"][0]["output"]["images"]
    assert images == [{"url": f"http://wireflow.test/cdn/{run}/0.png"}]


async def test_runs_are_listed_with_their_requests(vendor: Vendor) -> None:
    run = await vendor.start("two dogs", "key-1", count=2, mood="calm")
    (listed,) = await vendor.runs()
    assert listed["executionId"] == run
    assert listed["idempotencyKey"] == "key-1"
    assert listed["webhookId"] == "demo-webhook"
    assert listed["body"] == {"prompt": "two dogs", "count": 2, "mood": "calm"}
    assert listed["startedAt"] == "2026-03-20T12:00:00.000Z"
    assert listed["endsAt"] == "2026-03-20T12:00:15.000Z"
    assert len(listed["pictures"]) == 2


async def test_a_known_key_replays_its_response_for_24_hours_and_pays_once(vendor: Vendor) -> None:
    first = await vendor.trigger("a cat", "key-1")
    again = await vendor.trigger("another cat", "key-1")
    assert again.json() == first.json()
    vendor.clock.moment += timedelta(hours=24)
    later = await vendor.trigger("a cat", "key-1")
    assert later.json() != first.json()
    assert (await vendor.stats())["paidRuns"] == 2


async def test_a_key_is_ignored_if_keys_are_not_honored(open_vendor: Open) -> None:
    async with open_vendor(honour_keys=False) as vendor:
        await vendor.start(key="key-1")
        await vendor.start(key="key-1")
        assert (await vendor.stats())["paidRuns"] == 2


async def test_run_times_cover_the_range_and_are_fixed_for_an_id(open_vendor: Open) -> None:
    async with open_vendor(run_seconds=(10.0, 20.0)) as vendor:
        seconds = [vendor.simulator.state.settings.seconds_of(f"exec_{n}") for n in range(500)]
        assert min(seconds) < 10.5
        assert max(seconds) > 19.5
        assert seconds[7] == vendor.simulator.state.settings.seconds_of("exec_7")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Missing Authorization header"),
        ({"Authorization": "Basic abc"}, "Invalid API key format. Expected: Bearer sk-..."),
        ({"Authorization": "Bearer sk-other"}, "Invalid API key"),
    ],
)
async def test_polls_and_details_need_the_key(vendor: Vendor, headers: dict, message: str) -> None:
    run = await vendor.start()
    for path in ("/poll", ""):
        response = await vendor.http.get(f"/api/v1/workflows/executions/{run}{path}", headers=headers)
        assert (response.status_code, response.json()) == (401, {"error": message})


async def test_an_unknown_id_or_path_is_404(vendor: Vendor) -> None:
    assert (await vendor.poll("exec_none")).json() == {"error": "Execution not found"}
    unknown_hook = await vendor.http.post("/api/v1/workflow/other/trigger", json={})
    assert (unknown_hook.status_code, unknown_hook.json()) == (404, {"error": "Workflow not found"})
    assert (await vendor.http.get("/cdn/exec_none/0.png")).status_code == 404
    assert (await vendor.http.get("/nowhere")).status_code == 404
    assert (await vendor.stats())["paidRuns"] == 0


async def test_a_wrong_method_is_405_with_the_allowed_ones(vendor: Vendor) -> None:
    response = await vendor.http.delete("/api/v1/workflow/demo-webhook/trigger")
    assert (response.status_code, response.headers["allow"]) == (405, "POST, GET, HEAD")


async def test_a_body_that_is_not_json_starts_nothing(vendor: Vendor) -> None:
    response = await vendor.http.post("/api/v1/workflow/demo-webhook/trigger", content=b"{no")
    assert response.status_code == 400
    assert (await vendor.stats())["paidRuns"] == 0


async def test_health_is_free_and_as_published(vendor: Vendor) -> None:
    response = await vendor.http.get("/api/v1/workflow/demo-webhook/trigger")
    assert response.json()["isActive"] is True
    assert set(response.json()) == {"workflowId", "name", "isActive", "message"}
    assert (await vendor.stats())["paidRuns"] == 0


async def test_every_api_response_has_a_request_id_and_its_limits(vendor: Vendor) -> None:
    run = await vendor.start()
    responses = [await vendor.poll(run), await vendor.details(run), await vendor.poll("exec_none")]
    responses.append(await vendor.trigger())
    for response in responses:
        assert response.headers["x-request-id"].startswith("req_")
        assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(response.headers)


async def test_details_report_the_run_by_its_id(vendor: Vendor) -> None:
    run = await vendor.start()
    await vendor.clock.sleep(15)
    reported = (await vendor.details(run)).json()
    assert (reported["id"], reported["status"]) == (run, "COMPLETED")
    assert reported["endTime"] == "2026-03-20T12:00:15.000Z"


async def test_the_wrapped_style_is_under_data_with_all_members(open_vendor: Open) -> None:
    async with open_vendor(style="wrapped") as vendor:
        run = await vendor.start()
        await vendor.clock.sleep(15)
        reported = (await vendor.poll(run)).json()["data"]
        assert reported["status"] == "COMPLETED"
        assert reported["finalOutput"]["url"] == reported["nodeStates"][-1]["outputUrl"]
        assert reported["nodeResults"]["nodeRuns"][0]["output"] == reported["finalOutput"]
        assert reported["diagnostics"]["version"] == 1
        assert (await vendor.details(run)).json()["data"]["status"] == "COMPLETED"
        rejected = await vendor.poll("exec_none")
        assert rejected.json()["error"]["type"] == "invalid_request_error"


async def test_the_nested_style_is_in_execution_runs_and_lower_case(open_vendor: Open) -> None:
    async with open_vendor(style="nested") as vendor:
        run = await vendor.start()
        await vendor.clock.sleep(15)
        (reported,) = (await vendor.poll(run)).json()["data"]["executionRuns"]
        assert (reported["id"], reported["status"]) == (run, "completed")
        assert reported["nodeRuns"][0]["output"].endswith(f"/cdn/{run}/0.png")


async def test_stats_count_requests_starts_and_polls(vendor: Vendor) -> None:
    run = await vendor.start()
    await vendor.poll(run)
    await vendor.clock.sleep(2)
    await vendor.poll(run)
    stats = await vendor.stats()
    assert (stats["endpoints"]["trigger"], stats["endpoints"]["poll"]) == (1, 2)
    assert (stats["starts"], stats["paidRuns"], stats["maxStartsPerMinute"]) == (1, 1, 1)
    assert stats["polls"] == {run: ["2026-03-20T12:00:00.000Z", "2026-03-20T12:00:02.000Z"]}


async def test_stats_count_each_endpoint(vendor: Vendor) -> None:
    await vendor.describe()
    await vendor.upload(image_file())
    await vendor.run(prompt="a cat")
    await vendor.execute()
    stats = await vendor.stats()
    counted = [stats["endpoints"][name] for name in ("describe", "upload", "run", "execute", "trigger")]
    assert counted == [1, 1, 1, 1, 0]
    assert stats["answers"]["execute"] == {"201": 1}
    assert (stats["starts"], stats["paidRuns"]) == (2, 2)


async def test_a_reset_deletes_runs_and_counts(vendor: Vendor) -> None:
    run = await vendor.start()
    await vendor.http.post("/_reset")
    assert (await vendor.poll(run)).status_code == 404
    assert (await vendor.stats())["starts"] == 0


async def test_settings_change_while_it_runs(vendor: Vendor) -> None:
    changed = await vendor.http.post("/_settings", json={"style": "nested", "honourKeys": False, "plan": "free"})
    assert changed.status_code == 200
    run = await vendor.start()
    assert "executionRuns" in (await vendor.poll(run)).json()["data"]
    assert {(await vendor.poll(run)).status_code for _ in range(10)} == {200, 429}
    assert (await vendor.http.post("/_settings", json={"style": "round"})).status_code == 422
    assert (await vendor.http.post("/_settings", json={"state": "/etc"})).status_code == 422


async def test_the_cdn_url_can_be_set(open_vendor: Open) -> None:
    async with open_vendor(cdn_url="http://cdn.test:81") as vendor:
        await vendor.start()
        assert (await vendor.runs())[0]["pictures"][0]["url"].startswith("http://cdn.test:81/cdn/")


def test_the_key_is_not_shown_where_settings_are_printed() -> None:
    assert Settings().api_key not in repr(Settings())
