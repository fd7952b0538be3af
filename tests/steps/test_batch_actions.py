"""Bulk actions on the jobs of a batch, and what `DELETE` says of erasing it."""

from tests.harness.world import World
from tests.steps.test_bulk_actions import act, failed_jobs, retry_all


async def test_the_failed_rows_of_a_batch_are_retried_and_its_jobs_erased(world: World) -> None:
    other = (await failed_jobs(world, 1))[0]
    await world.simulated("/_faults", fault="failed", times=2)
    table = {"content": "prompt\na cat\na dog\na fox\n", "headers": {"Content-Type": "text/csv"}}
    batch = (await world.http.post("/batches", **table)).json()["batchId"]
    rows = [job["id"] for job in (await world.http.get(f"/batches/{batch}/jobs")).json()["jobs"]]
    ended = await world.end_of(*rows)
    failed = [job["id"] for job in ended if job["status"] == "failed"]

    retried = (await retry_all(world, status="failed", batchId=batch)).json()
    assert (sorted(retried["jobs"]), retried["skipped"], len(failed)) == (sorted(failed), 0, 2)
    await world.end_of(*rows)
    await world.clock.sleep(10)
    assert (await world.http.get(f"/batches/{batch}")).json()["counts"]["succeeded"] == 3

    refused = await world.http.delete(f"/batches/{batch}?erase=true")
    assert (refused.status_code, refused.json()["field"], batch in refused.json()["detail"]) == (422, "erase", True)
    erased = (await act(world, "erase", filter={"batchId": batch})).json()
    assert sorted(erased["jobs"]) == sorted(rows)
    assert (await world.job(other))["status"] == "failed"
