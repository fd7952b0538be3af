"""`POST /batches` and what follows: rows become jobs, which are canceled, listed as results, and quoted."""

import asyncio
import csv
import io
import json
from datetime import timedelta

import httpx
import pytest

from shared.job import Job
from tests.harness.vendor import Call
from tests.harness.world import PUBLIC_URL, World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.row_batches import (
    AUTH,
    COUNTS,
    PRICED,
    TOKENS,
    Breaking,
    batch,
    ended,
    jobs_of,
    results,
    table,
    upload,
    uploaded,
)


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


async def test_a_repeat_of_a_partial_upload_names_the_rows_that_were_left_out(world: World) -> None:
    source = await world.accepted("a source")
    content = f"prompt,fromJob\na cat,\na dog,{source}\na bird,\n".encode()
    first = await uploaded(world, content, "partial=true")
    assert "must have succeeded" in first["errors"][0]["detail"]
    await world.end_of(source)
    again = await uploaded(world, content, "partial=true")
    assert again["batchId"] == first["batchId"]
    assert [(error["row"], error["field"]) for error in again["errors"]] == [(3, "fromJob")]
    assert "was left out" in again["errors"][0]["detail"]
    assert (again["counts"]["total"], world.paid) == (2, 3)


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


async def test_a_row_whose_start_is_refused_after_the_delete_is_canceled_too(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        found = await uploaded(world, table(5))
        calls: list[Call] = []

        async def refuse_slowly(call: Call) -> httpx.Response | None:
            if call.endpoint != "trigger":
                return None
            calls.append(call)
            await world.clock.sleep(4)
            return httpx.Response(429, json={}, headers={"Retry-After": "20"})

        world.vendor.script = refuse_slowly
        window = asyncio.create_task(world.run_for(timedelta(minutes=10)))
        while not calls:
            await world.clock.sleep(0.5)
        await world.http.delete(f"/batches/{found['batchId']}")
        await window
        assert (await batch(world, found))["counts"]["canceled"] == 5
        assert len(calls) == 1


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


STARTS = "= + - @ '= a;= a,+ a;\"- a;'@ =1;;=".split(" ")


@pytest.mark.parametrize("start", [*STARTS, " =", "\t=", "\r=", "a; =", "a\t=", 'a\t""+', "a\n-", "a\r\n@"])
async def test_no_cell_of_the_results_is_a_formula_whatever_splits_them(world: World, start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0;b\tc,d"
    body = {"prompts": [{"prompt": text, "metadata": {"sku": text}}, {"prompt": "a dog; a cat, -5"}]}
    found = (await world.http.post("/batches", json=body)).json()
    content = (await world.http.get(f"/batches/{found['batchId']}/results.csv")).content
    for delimiter in ",;\t":
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
        cells = [cell.strip() for line in lines for cell in line]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    first, second = await jobs_of(world, await uploaded(world, content))
    assert first["prompt"].strip() == first["metadata"]["sku"].strip() == text.strip()
    assert second["prompt"] == "a dog; a cat, -5"


async def test_results_sent_again_make_the_same_requests(open_world: OpenWorld) -> None:
    workflows = {
        "best": {"mode": "webhook", "id": "demo-webhook"},
        "default": {"mode": "webhook", "id": "demo-webhook"},
    }
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps(workflows)) as world:
        content = b"prompt,workflow,Status,file,Website,metadata.image\n=a cat,best,new,a.png,+1,b.png\na dog,,,,,\n"
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


async def test_the_results_have_at_most_a_thousand_columns_of_the_callers_own(world: World) -> None:
    rows = [{"prompt": "a cat", "metadata": {f"k{row}.{n}": "v" for n in range(20)}} for row in range(60)]
    found = await uploaded(world, json.dumps(rows).encode(), **{"Content-Type": "application/json"})
    lines = await results(world, found)
    assert len([name for name in lines[0] if name.startswith("k")]) == 1_000
    assert [line["k49.19"] for line in lines] == ["v" if row == 49 else "" for row in range(60)]


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
