"""`POST /batches` and what follows: rows become jobs, and an upload that breaks off is continued."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.batches import Batch
from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import PUBLIC_URL, World, moment
from tests.steps.conftest import OpenWorld

DAY = timedelta(days=1)
COUNTS = ("total", "queued", "running", "succeeded", "failed", "canceled")
SMALL = "aspect_ratio=64:1"  # not a field that a table could have for a webhook
TOKENS = {name: f"token-of-{name}" for name in ("ann", "bob", "root")}
AUTH = {
    "TRIGGER_TOKENS": json.dumps(
        {
            name: {"sha256": hashlib.sha256(token.encode()).hexdigest(), "admin": name == "root"}
            for name, token in TOKENS.items()
        }
    )
}
PRICED = {
    "WIREFLOW_WORKFLOWS": json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.13}})
}


def table(count: int, first: int = 0) -> bytes:
    return ("prompt,sku\n" + "".join(f"cat {number},s-{number}\n" for number in range(first, first + count))).encode()


async def upload(world: World, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    return await world.http.post(f"/batches?{query}", content=content, headers={"Content-Type": "text/csv", **headers})


async def uploaded(world: World, content: bytes, query: str = "", **headers: str) -> dict[str, Any]:
    answer = await upload(world, content, query, **headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def batch(world: World, found: dict[str, Any]) -> dict[str, Any]:
    return dict((await world.http.get(f"/batches/{found['batchId']}")).raise_for_status().json())


async def jobs_of(world: World, found: dict[str, Any]) -> list[dict[str, Any]]:
    """All jobs of a batch, by row."""
    jobs, cursor = [], ""
    while True:
        page = (await world.http.get(f"/batches/{found['batchId']}/jobs?limit=100&cursor={cursor}")).json()
        jobs += page["jobs"]
        if not (cursor := page["nextCursor"]):
            return jobs[::-1]


async def results(world: World, found: dict[str, Any]) -> list[dict[str, str]]:
    answer = await world.http.get(f"/batches/{found['batchId']}/results.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]


async def ended(world: World, found: dict[str, Any]) -> dict[str, Any]:
    await world.end_of(*(job["id"] for job in await jobs_of(world, found)))
    await world.clock.sleep(11)
    return await batch(world, found)


async def test_rows_become_jobs_and_the_batch_is_done_when_they_are(open_world: OpenWorld) -> None:
    async with open_world(**PRICED) as world:
        answer = await upload(world, table(3))
        found = answer.json()
        assert (answer.status_code, answer.headers["location"]) == (202, f"/batches/{found['batchId']}")
        assert found["status"] == "open"
        assert found["counts"] == dict(zip(COUNTS, (3, 3, 0, 0, 0, 0), strict=True))
        assert found["estimatedCost"] == {"amount": 0.39, "currency": "USD", "source": "price"}
        assert found["cost"] is None
        assert moment(found["estimatedEndAt"]) > world.clock.now()
        assert found["statusUrl"] == f"{PUBLIC_URL}/batches/{found['batchId']}"
        done = await ended(world, found)
        assert done["counts"] == dict(zip(COUNTS, (3, 0, 0, 3, 0, 0), strict=True))
        assert (done["status"], done["cost"]["amount"], done["estimatedEndAt"]) == ("done", 0.39, None)
        jobs = await jobs_of(world, found)
        assert [(job["prompt"], job["batchId"]) for job in jobs] == [(f"cat {n}", found["batchId"]) for n in range(3)]
        assert [job["metadata"] for job in jobs] == [{"sku": f"s-{n}"} for n in range(3)]
        assert (await world.job(await world.accepted()))["batchId"] is None


async def test_the_same_file_is_the_same_batch_and_another_query_is_not(world: World) -> None:
    first = await uploaded(world, table(3))
    again = await upload(world, table(3))
    assert (again.json()["batchId"], again.headers["idempotent-replayed"]) == (first["batchId"], "true")
    other = await uploaded(world, table(3), "deadlineSeconds=60")
    assert other["batchId"] != first["batchId"]
    await ended(world, first)
    assert world.paid == 6


async def test_a_key_names_the_batch_and_is_not_reused_for_other_rows(world: World) -> None:
    first = await uploaded(world, table(2), **{"Idempotency-Key": "monday"})
    assert (await uploaded(world, table(2), **{"Idempotency-Key": "monday"}))["batchId"] == first["batchId"]
    assert (await uploaded(world, table(2)))["batchId"] != first["batchId"]
    answer = await upload(world, table(3), **{"Idempotency-Key": "monday"})
    assert (answer.status_code, answer.json()["errorCode"]) == (422, "idempotency_key_reused")
    single = await world.post(key="monday")
    assert single.status_code == 202


async def test_nothing_is_stored_if_a_row_is_invalid_unless_partial(world: World) -> None:
    content = b"prompt,n\na cat,1\n,2\na dog,3\n"
    answer = await upload(world, content)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"]) == (3, "prompt")
    assert (await world.http.get("/jobs")).json()["jobs"] == []
    found = await uploaded(world, content, "partial=true")
    assert (found["counts"]["total"], [error["row"] for error in found["errors"]]) == (2, [3])
    assert "errors" not in await batch(world, found)
    assert [line["row"] for line in await results(world, found)] == ["2", "4"]


async def test_a_row_that_names_no_job_of_the_caller_is_invalid(world: World) -> None:
    content = f"prompt,fromJob\na cat,\na dog,{'0' * 32}\n".encode()
    (error,) = (await upload(world, content)).json()["errors"]
    assert (error["row"], error["field"]) == (3, "fromJob")
    assert (await uploaded(world, content, "partial=true"))["counts"]["total"] == 1
    alone = await upload(world, f"prompt,fromJob\na dog,{'0' * 32}\n".encode(), "partial=true")
    assert alone.status_code == 422


# --- uploads that break off ----------------------------------------------------------------------------------------


class Breaking:
    """A store that fails after some commits of several jobs, or with `saves` False when a batch is saved."""

    def __init__(self, store: JobStore, commits: int, *, saves: bool = True) -> None:
        self._store, self.commits, self.sizes, self.saves = store, commits, list[int](), saves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create_all(self, jobs: list[Job]) -> list[Job]:
        if self.commits == 0:
            raise StoreUnavailable("as the test wants it")
        self.commits -= 1
        self.sizes.append(len(jobs))
        return await self._store.create_all(jobs)

    async def save_batch(self, batch: Batch) -> Batch:
        if not self.saves:
            raise StoreUnavailable("as the test wants it")
        return await self._store.save_batch(batch)


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


# --- limits --------------------------------------------------------------------------------------------------------


async def test_a_batch_for_which_the_queue_has_no_room_is_not_begun(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="120", EXECUTIONS_PER_MINUTE="10") as world:
        answer = await upload(world, table(121))
        assert (answer.status_code, answer.json()["errorCode"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 5
        found = await uploaded(world, table(120))
        again = await uploaded(world, table(120))
        assert again["batchId"] == found["batchId"], "a repeat needs no room"


async def test_a_caller_has_its_own_limit(open_world: OpenWorld) -> None:
    limits = {"CALLER_LIMITS": json.dumps({"ann": {"maxQueued": 2}}), **AUTH}
    async with open_world(**limits) as world:
        ann, bob = (world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS[name]}") for name in ("ann", "bob"))
        csv_type = {"Content-Type": "text/csv"}
        assert (await ann.post("/batches", content=table(2), headers=csv_type)).status_code == 202
        assert (await ann.post("/batches", content=table(1), headers=csv_type)).status_code == 429
        assert (await bob.post("/batches", content=table(9), headers=csv_type)).status_code == 202


async def test_deadlines_of_a_large_batch_count_from_the_estimated_start(open_world: OpenWorld) -> None:
    """On the free plan, 50 starts a day, the last of 300 rows starts on the sixth day after it was sent."""
    async with open_world(WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10", RETENTION_DAYS="7") as world:
        now = world.clock.now()
        found = await uploaded(world, table(300))
        records = [await world.record(job["id"]) for job in await jobs_of(world, found)]
        assert records[0].give_up_at - now < timedelta(hours=72, minutes=2)
        assert timedelta(days=5, hours=72) - DAY < records[-1].give_up_at - now < timedelta(days=6, hours=72)
        assert all(one.expire_at - one.give_up_at >= timedelta(days=3) for one in records)
        stored = await world.store.get_batch(found["batchId"])
        assert stored
        assert stored.expire_at == max(one.expire_at for one in records)
        assert timedelta(days=5) - DAY < moment(found["estimatedEndAt"]) - now < timedelta(days=6)
        for _ in range(2 * 24 * 7):  # a window each half hour
            await world.run_window()
            await world.clock.sleep(1_800)
        done = await batch(world, found)
        assert (done["status"], done["counts"]["succeeded"], world.paid) == ("done", 300, 300)


async def test_a_deadline_of_the_request_counts_from_the_estimated_start_too(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        found = await uploaded(world, table(100), "deadlineSeconds=120")
        done = await ended(world, found)
        assert done["counts"]["succeeded"] == 100


@pytest.mark.parametrize(
    "limit",
    [{"DAILY_SPEND_USD": "1.3"}, {"CALLER_LIMITS": json.dumps({"ann": {"usdPerDay": 1.3}})}],
    ids=["all", "own"],
)
async def test_deadlines_of_a_batch_that_a_spend_limit_spreads_over_days(open_world: OpenWorld, limit: Any) -> None:
    """Ten images a day: the last of 40 rows starts on the fourth day."""
    async with open_world(**PRICED, **AUTH, **limit) as world:
        ann = world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS['ann']}", **{"Content-Type": "text/csv"})
        now, found = world.clock.now(), (await ann.post("/batches", content=table(40))).json()
        jobs = (await ann.get(f"/batches/{found['batchId']}/jobs?limit=100")).json()["jobs"]
        last = await world.record(jobs[0]["id"])
        assert timedelta(days=2, hours=72) < last.give_up_at - now < timedelta(days=3, hours=72)
        assert timedelta(days=2) < moment(found["estimatedEndAt"]) - now < timedelta(days=3)


# --- canceling -----------------------------------------------------------------------------------------------------


async def test_a_delete_cancels_what_waits(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        found = await uploaded(world, table(40))
        await world.run_window()
        answer = await world.http.delete(f"/batches/{found['batchId']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        canceled = answer.json()["counts"]["canceled"]
        assert 20 <= canceled < 40
        done = await ended(world, found)
        assert (done["status"], done["counts"]["succeeded"]) == ("canceled", 40 - canceled)
        assert world.paid == 40 - canceled
        again = await world.http.delete(f"/batches/{found['batchId']}")
        assert (again.status_code, again.json()) == (200, done)
        assert (await uploaded(world, table(40)))["status"] == "canceled", "sending it again stores nothing"


async def test_a_batch_that_is_done_stays_done(world: World) -> None:
    found = await uploaded(world, table(2))
    await ended(world, found)
    answer = await world.http.delete(f"/batches/{found['batchId']}")
    assert (answer.status_code, answer.json()["status"]) == (200, "done")


async def test_an_upload_stops_at_the_delete_and_leaves_nothing_waiting(open_world: OpenWorld) -> None:
    class Late(Breaking):
        async def create_all(self, jobs: list[Job]) -> list[Job]:
            created = await super().create_all(jobs)
            if len(self.sizes) == 2:
                answer = await world.http.delete(f"/batches/{jobs[0].batch_id}")
                assert answer.json()["counts"]["canceled"] == 200
            return created

    async with open_world(wrap=lambda store: Late(store, 9), EXECUTIONS_PER_MINUTE="10") as world:  # type: ignore[arg-type,return-value]
        found = await uploaded(world, table(300))
        assert (found["status"], found["counts"]["total"], found["counts"]["canceled"]) == ("canceled", 300, 200)
        assert len(await jobs_of(world, found)) == 200


# --- results.csv ---------------------------------------------------------------------------------------------------


async def test_results_have_a_line_for_each_row_in_order(open_world: OpenWorld) -> None:
    async with open_world(**PRICED) as world:
        found = await uploaded(world, b"SKU,Prompt\ns-1,a cat\ns-2,a dog [fault:moderation]\ns-3,a fox\n")
        await ended(world, found)
        lines = await results(world, found)
        assert [(line["row"], line["status"], line["prompt"], line["SKU"]) for line in lines] == [
            ("2", "succeeded", "a cat", "s-1"),
            ("3", "failed", "a dog [fault:moderation]", "s-2"),
            ("4", "succeeded", "a fox", "s-3"),
        ]
        assert lines[0]["imageUrl"] == f"{PUBLIC_URL}/jobs/{lines[0]['jobId']}/image"
        assert (lines[0]["cost"], lines[1]["errorCode"], lines[1]["imageUrl"]) == ("0.13", "moderation", "")
        assert lines[1]["errorHint"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r="])
async def test_no_cell_of_the_results_is_a_formula(world: World, start: str) -> None:
    body = {"prompts": [{"prompt": f"{start}1+1", "metadata": {"sku": f"{start}cmd|' /C calc'!A0"}}]}
    found = (await world.http.post("/batches", json=body)).json()
    ((line),) = await results(world, found)
    assert (line["prompt"], line["sku"]) == (f"'{start}1+1", f"'{start}cmd|' /C calc'!A0")


async def test_results_sent_again_make_the_same_requests(open_world: OpenWorld) -> None:
    workflows = {
        "best": {"mode": "webhook", "id": "demo-webhook"},
        "default": {"mode": "webhook", "id": "demo-webhook"},
    }
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps(workflows)) as world:
        content = b"prompt,workflow,Status,file,Website\n=a cat,best,new,a.png,+1\na dog,,,,\n"
        first = await uploaded(world, content)
        url = f"/batches/{first['batchId']}/results.csv"
        again = await uploaded(world, (await world.http.get(url)).content)
        before, after = await jobs_of(world, first), await jobs_of(world, again)
        for name in ("prompt", "workflow", "metadata"):
            assert [job[name] for job in after] == [job[name] for job in before]
        lines = await results(world, again)
        assert (lines[0]["prompt"], lines[0]["Website"], lines[0]["metadata.file"]) == ("'=a cat", "'+1", "a.png")


# --- callers -------------------------------------------------------------------------------------------------------


async def test_a_batch_is_its_callers_and_admins(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        ann, bob, root = (world.caller("127.0.0.1", Authorization=f"Bearer {token}") for token in TOKENS.values())
        answer = await ann.post("/batches", content=table(1), headers={"Content-Type": "text/csv"})
        path = f"/batches/{answer.json()['batchId']}"
        for route in (path, f"{path}/jobs", f"{path}/results.csv"):
            assert [(await one.get(route)).status_code for one in (ann, root, bob)] == [200, 200, 404]
            assert (await world.http.get(route)).status_code == 401
        assert (await bob.delete(path)).status_code == 404
        assert (await world.http.delete(path)).status_code == 401
        assert (await ann.delete(path)).status_code == 200
        other = await bob.post("/batches", content=table(1), headers={"Content-Type": "text/csv"})
        assert other.json()["batchId"] != answer.json()["batchId"], "the file's checksum is a key of its caller"
        assert (await world.http.post("/batches", content=table(1))).status_code == 401


async def test_there_is_no_batch_of_another_id(world: World) -> None:
    for method, route in (("GET", ""), ("DELETE", ""), ("GET", "/jobs"), ("GET", "/results.csv")):
        answer = await world.http.request(method, f"/batches/{'0' * 32}{route}")
        assert (answer.status_code, answer.json()["errorCode"]) == (404, "not_found")


# --- quotes --------------------------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_it_costs_and_when_it_ends(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10", **PRICED) as world:
        answer = await upload(world, table(100), "dryRun=true")
        quote = answer.json()
        assert (answer.status_code, quote["count"], quote["estimatedCost"]["amount"]) == (200, 100, 13.0)
        span = moment(quote["estimatedEndAt"]) - world.clock.now()
        assert timedelta(minutes=9) < span < timedelta(minutes=12)
        assert (await world.http.get("/jobs")).json()["jobs"] == []
        found = await uploaded(world, table(100))
        again = (await upload(world, table(100), "dryRun=true")).json()
        assert (again["count"], again["estimatedEndAt"]) == (0, None)
        assert found["counts"]["queued"] == 100
        assert (await upload(world, b"prompt,n\n,1", "dryRun=true")).status_code == 422
