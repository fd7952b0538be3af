"""An upload of rows that breaks off is continued by sending it again, and two at once are one batch."""

from shared.ports import JobStore
from tests.steps.conftest import OpenWorld
from tests.steps.row_batches import Breaking, batch, ended, jobs_of, table, upload, uploaded


async def test_an_upload_that_breaks_off_is_continued_by_sending_it_again(open_world: OpenWorld) -> None:
    stores: list[Breaking] = []

    def breaking(store: JobStore) -> JobStore:
        stores.append(Breaking(store, 2))
        return stores[0]  # type: ignore[return-value]

    async with open_world(wrap=breaking, EXECUTIONS_PER_MINUTE="10") as world:
        (store,) = stores
        assert (await upload(world, table(450))).status_code == 503
        (listed,) = {job["batchId"] for job in (await world.http.get("/jobs")).json()["jobs"]}
        half = await batch(world, {"batchId": listed})
        assert (half["status"], half["counts"]["total"], half["counts"]["queued"]) == ("storing", 450, 200)
        store.commits = 1
        assert (await upload(world, table(450))).status_code == 503
        store.commits = 100
        whole = await uploaded(world, table(450))
        assert (whole["batchId"], whole["status"], whole["counts"]["queued"]) == (listed, "open", 450)
        assert store.sizes == [100, 100, 100, 100, 50]
        jobs = await jobs_of(world, whole)
        assert [job["prompt"] for job in jobs] == [f"cat {number}" for number in range(450)]


async def test_a_batch_whose_first_commit_fails_is_storing_and_can_be_continued(open_world: OpenWorld) -> None:
    stores: list[Breaking] = []

    def breaking(store: JobStore) -> JobStore:
        stores.append(Breaking(store, 0))
        return stores[0]  # type: ignore[return-value]

    async with open_world(wrap=breaking) as world:
        assert (await upload(world, table(3))).status_code == 503
        stores[0].commits = 1
        whole = await uploaded(world, table(3))
        assert (whole["status"], whole["counts"]["total"], len(await jobs_of(world, whole))) == ("open", 3, 3)


async def test_a_batch_whose_server_dies_after_the_last_commit_is_done_in_the_end(open_world: OpenWorld) -> None:
    async with open_world(wrap=lambda store: Breaking(store, 9, saves=False)) as world:  # type: ignore[arg-type,return-value]
        assert (await upload(world, table(3))).status_code == 503
        (batch_id,) = {job["batchId"] for job in (await world.http.get("/jobs")).json()["jobs"]}
        assert (await batch(world, {"batchId": batch_id}))["status"] == "open"
        done = await ended(world, {"batchId": batch_id})
        assert (done["status"], done["counts"]["succeeded"]) == ("done", 3)
        assert (await world.http.delete(f"/batches/{batch_id}")).json()["status"] == "done"


async def test_two_equal_uploads_at_once_are_one_batch(open_world: OpenWorld) -> None:
    import asyncio

    async with open_world() as world, open_world(simulator=world.simulator) as second:
        answers = await asyncio.gather(*(upload(one, table(250)) for one in (world, second, world)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["batchId"] for answer in answers}) == 1
        jobs = await jobs_of(world, answers[0].json())
        assert sorted(job["prompt"] for job in jobs) == sorted(f"cat {number}" for number in range(250))
