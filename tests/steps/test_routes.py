"""What the router rejects: unknown query parameters of requests that change something, and wrong URLs."""

import pytest

from functions.trigger.router import BODY_FIELDS, CREATES, PARAMETERS, READS, ROUTES
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

ERASE = {"action": "erase", "filter": {"status": "failed"}}
RETRY = {"confirm": True, "attempt": 1}


async def failed_job(world: World) -> str:
    job_id = await world.accepted("[fault:bad_request]")
    await world.end_of(job_id)
    return job_id


@pytest.mark.parametrize("name", ["dryRun", "DryRun", "dry_run", "x"])
async def test_every_request_that_changes_something_rejects_it(world: World, name: str) -> None:
    for pattern, methods in ROUTES:
        path = pattern.pattern.replace("(?P<job_id>[0-9a-f]{32})", "0" * 32)
        path = path.replace("(?P<batch_id>[0-9a-f]{32})", "0" * 32).replace("(?P<hook_id>[0-9a-f]{32})", "0" * 32)
        for method in [one for one, handler in methods.items() if one not in READS and handler not in CREATES]:
            response = await world.http.request(method, path, params={name: "true"})
            found = (response.status_code, response.json()["errorCode"], response.json()["field"])
            assert found == (422, "invalid_field", name), (method, path)


async def test_a_dry_run_in_the_query_erases_and_pays_nothing(world: World) -> None:
    job_id = await failed_job(world)
    paid, before = world.paid, await world.record(job_id)
    for method, path, body in (
        ("POST", "/jobs/actions?dryRun=true", ERASE),
        ("POST", f"/jobs/{job_id}/retry?dryRun=true", RETRY),
        ("DELETE", f"/jobs/{job_id}?erase=true&dryRun=true", None),
    ):
        response = await world.http.request(method, path, json=body)
        assert (response.status_code, response.json()["field"]) == (422, "dryRun"), path
    assert (world.paid, await world.record(job_id)) == (paid, before)


async def test_it_says_whether_the_body_has_such_a_field(world: World) -> None:
    response = await world.http.post("/jobs/actions?dryRun=true", json=ERASE)
    assert response.json()["detail"].endswith("Send dryRun in the body.")
    response = await world.http.post("/hooks?hookUrl=https://example.com")
    assert response.json()["detail"].endswith("Send hookUrl in the body.")
    response = await world.http.post(f"/jobs/{'0' * 32}/recopy?dryRun=true")
    assert response.json()["detail"].endswith("Remove it.")


@pytest.mark.parametrize("query", ["Erase=true", "erase", "erase=", "ERASE=1"])
async def test_an_unclear_erasure_cancels_nothing(open_world: OpenWorld, query: str) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        await world.accepted()
        waiting = await world.accepted()
        assert (await world.http.delete(f"/jobs/{waiting}?{query}")).status_code == 422
        assert (await world.record(waiting)).status == "queued"


async def test_a_token_in_the_query_is_still_the_fault_that_is_named(world: World) -> None:
    response = await world.http.post("/jobs/actions?token=x", json=ERASE)
    assert (response.status_code, response.json()["errorCode"]) == (400, "token_in_url")


async def test_reading_ignores_it(world: World) -> None:
    assert (await world.http.get("/jobs?utm_source=x")).status_code == 200


def test_what_is_known_of_a_handler_is_about_one_that_changes_something() -> None:
    changing = {handler for _, methods in ROUTES for one, handler in methods.items() if one not in READS}
    assert CREATES | PARAMETERS.keys() | BODY_FIELDS.keys() <= changing


@pytest.mark.parametrize("path", ["/jobs/abc", f"/jobs/{'A' * 32}", "/jobs/abc/history", "/batches/1", "/hooks/1"])
async def test_a_malformed_id_is_named(world: World, path: str) -> None:
    response = await world.http.get(path)
    assert (response.status_code, "32 lowercase hexadecimal digits" in response.json()["detail"]) == (404, True)
    assert "digits" not in (await world.http.get(f"/jobs/{'0' * 32}/prompt")).json()["detail"]


async def test_a_request_for_a_job_at_the_wrong_url_is_shown_the_right_one(world: World) -> None:
    response = await world.http.post("/jobs", json={"prompt": "a cat"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.json()["detail"].endswith("Send POST / to create a job.")
