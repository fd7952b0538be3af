"""Erasure: a tombstone without anything personal remains, the files are deleted, and nothing is paid again."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.copy_errors import CopyError
from shared.job import Job
from tests.harness.world import SMALL, World
from tests.steps import row_batches as rows
from tests.steps.chains import SETTINGS
from tests.steps.conftest import OpenWorld
from tests.steps.input_images import CAT
from tests.steps.test_callers import AUTH, SHOP, bearer, submit

# What a tombstone keeps of a record, beside what has its default.
KEPT = {
    *("id", "status", "created_at", "completed_at", "expire_at", "give_up_at", "workflow", "caller", "private"),
    *(
        "attempt",
        "fingerprint",
        "cost",
        "earlier_cost",
        "error",
        "images",
        "recheck_done",
        "erased_at",
        "erase_images_at",
    ),
    *("due_at", "prompt", "revision", "batch_id", "batch_row"),
}
SECRET = "a very secret cat"


@pytest.fixture
async def guarded(open_world: OpenWorld) -> AsyncIterator[World]:
    """A world whose client sends a token, as batches need it."""
    async with open_world(**AUTH) as opened:
        opened.http.headers.update(bearer("zap"))
        yield opened


async def erase(world: World, job_id: str, **headers: str) -> httpx.Response:
    return await world.http.delete(f"/jobs/{job_id}?erase=true", headers=headers)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "images").rglob("*") if path.is_file())


async def finished(world: World, prompt: str = SECRET, **fields: Any) -> str:
    job_id = await world.accepted(prompt, **fields)
    await world.end_of(job_id)
    return job_id


async def test_an_erased_job_is_gone_with_its_images_and_inputs(world: World, tmp_path: Path) -> None:
    upload = {"image1": ("cat.png", CAT, "image/png")}
    job_id = (await world.http.post("/", data={"prompt": SECRET, **SMALL}, files=upload)).json()["id"]
    await world.end_of(job_id)
    assert [name for name in files(tmp_path) if job_id in name]
    assert (await erase(world, job_id)).status_code == 204
    await world.run_window()
    assert files(tmp_path) == []
    for path in ("", "/image", "/image/0"):
        response = await world.http.get(f"/jobs/{job_id}{path}")
        assert (response.status_code, response.json()["errorCode"]) == (410, "erased")
    assert (await world.http.get("/jobs")).json() == {"jobs": [], "nextCursor": None}
    assert (await erase(world, job_id)).status_code == 204


@pytest.mark.parametrize("prompt", [SECRET, f"{SECRET} [fault:moderation]", f"{SECRET} [fault:several_images]"])
async def test_nothing_of_the_request_remains_in_the_record(world: World, tmp_path: Path, prompt: str) -> None:
    fields = {"metadata": {"order": "secret"}, "altText": "secret", "style": "secret"}
    job_id = await finished(world, prompt, **fields)
    before = await world.record(job_id)
    await erase(world, job_id)
    after = await world.record(job_id)
    assert "secret" not in json.dumps(dataclasses.asdict(after), default=str)
    assert "http" not in json.dumps(dataclasses.asdict(after), default=str)
    required = ("id", "status", "prompt", "created_at", "expire_at", "give_up_at")
    plain = Job(**{name: getattr(after, name) for name in required})
    names = [field.name for field in dataclasses.fields(Job)]
    changed = {name for name in names if getattr(after, name) != getattr(plain, name)}
    assert changed <= KEPT
    assert (after.cost, after.caller, after.created_at) == (before.cost, before.caller, before.created_at)


@pytest.mark.parametrize("prompt", [SECRET, "[fault:moderation]", "[fault:never_ends]", "[fault:several_images]"])
async def test_the_usage_is_the_same_after_an_erasure(open_world: OpenWorld, prompt: str) -> None:
    async with open_world(**SETTINGS) as world:
        job_id = await finished(world, prompt, workflow="draft")
        before = (await world.http.get("/usage?groupBy=workflow")).json()
        await erase(world, job_id)
        await world.clock.sleep(120)
        after = (await world.http.get("/usage?groupBy=workflow")).json()
        assert after["rows"] == before["rows"] != []


async def test_an_equal_request_is_not_paid_again(guarded: World) -> None:
    world = guarded
    first = await world.post(SECRET, key="k")
    await world.end_of(first.json()["id"])
    await erase(world, first.json()["id"])
    again = await world.post(SECRET, key="k")
    assert (again.status_code, again.json()["errorCode"], world.paid) == (410, "erased", 1)
    quote = await world.post(SECRET, key="k", dryRun=True)
    assert (quote.status_code, quote.json()["errorCode"]) == (410, "erased")
    other = await world.post("another", key="k")
    assert (other.status_code, other.json()["errorCode"]) == (422, "idempotency_key_reused")
    batch = [{"prompt": SECRET, **SMALL, "idempotencyKey": "k"}, {"prompt": "two", **SMALL}]
    rejected = await world.http.post("/", json=batch)
    assert (rejected.status_code, rejected.json()["errorCode"]) == (410, "erased")
    partial = (await world.http.post("/?partial=true", json=batch)).json()["jobs"]
    assert [item.get("errorCode") for item in partial] == ["erased", None]


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_a_job_that_is_not_final_is_not_erased(open_world: OpenWorld, status: str) -> None:
    limits = {"DAILY_SPEND_USD": "0.01"} if status == "queued" else {}
    async with open_world(**SETTINGS, **limits) as world:
        job_id = await world.accepted(workflow="draft")
        assert (await world.job(job_id))["status"] == status
        response = await erase(world, job_id)
        assert (response.status_code, response.json()["errorCode"]) == (409, "not_erasable")
        assert (await world.job(job_id))["prompt"] == "a cat"


async def test_only_the_token_of_the_caller_or_an_admin_erases_a_job(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        owned = (await submit(world, bearer("zap"))).json()["id"]
        visited = (await world.http.post("/", data={"prompt": "a cat", **SMALL}, headers={"Origin": SHOP})).json()["id"]

        async def final() -> bool:
            return all([(await world.record(job_id)).finished for job_id in (owned, visited)])

        await world.run_until(final)
        assert (await erase(world, owned)).status_code == 401
        assert (await erase(world, owned, **bearer("ci"))).status_code == 404
        assert (await erase(world, visited, Origin=SHOP)).status_code == 401
        assert (await erase(world, visited, **bearer("zap"))).status_code == 403
        assert (await erase(world, owned, **bearer("zap"))).status_code == 204
        assert (await erase(world, visited, **bearer("admin"))).status_code == 204
        assert (await world.http.get(f"/jobs/{owned}")).status_code == 401
        assert (await world.http.get(f"/jobs/{owned}", headers=bearer("ci"))).status_code == 404
        assert (await world.http.get(f"/jobs/{owned}", headers=bearer("zap"))).status_code == 410


async def test_an_erasure_is_repeated_until_the_store_has_deleted_everything(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await finished(world)
    delete, failures = world.deps.images.delete_job, 2

    async def flaky(job_id: str) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise CopyError("lost")
        await delete(job_id)

    monkeypatch.setattr(world.deps.images, "delete_job", flaky)
    await erase(world, job_id)
    await world.run_window()
    assert (bool(files(tmp_path)), len(world.log("configuration"))) == (True, 1)
    await world.run_for(timedelta(minutes=12))
    assert files(tmp_path) == []


async def test_what_a_lost_worker_stores_later_is_deleted_too(world: World, tmp_path: Path) -> None:
    job_id = await finished(world)
    await erase(world, job_id)
    await world.run_window()
    for late in (f"jobs/{job_id}/1/0.png", f"inputs/{job_id}"):
        world.deps.images.write(late, world.deps.image_from_bytes(CAT))
    await world.run_for(timedelta(minutes=17))
    assert (files(tmp_path), (await world.record(job_id)).due_at) == ([], None)


async def test_a_job_that_was_to_follow_does_not_and_no_image_of_an_erased_job_continues(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        job_id = await finished(world, workflow="draft")
        await erase(world, job_id)
        assert (await world.post(workflow="draft", fromJob=job_id)).status_code == 404
        response = await world.http.post(f"/jobs/{job_id}/next", json={"workflow": "best"})
        assert response.status_code == 410


async def test_a_run_that_timed_out_is_not_looked_for_after_the_erasure(world: World) -> None:
    job_id = await finished(world, "[fault:never_ends]")
    assert (await world.record(job_id)).error is not None
    await erase(world, job_id)
    polls = len(world.vendor.to("poll")) + len(world.vendor.to("details"))
    await world.run_for(timedelta(hours=2))
    assert len(world.vendor.to("poll")) + len(world.vendor.to("details")) == polls


async def test_lists_of_mostly_erased_jobs_end(guarded: World) -> None:
    world = guarded
    ids = [job["id"] for job in (await world.http.post("/", json=[{"prompt": "x", **SMALL}] * 60)).json()["jobs"]]
    await world.end_of(*ids)
    for job_id in ids[1:]:
        await erase(world, job_id)
    found, cursor = [], ""
    for _ in range(5):
        page = (await world.http.get(f"/jobs?limit=2&cursor={cursor}")).json()
        found += [job["id"] for job in page["jobs"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert (found, cursor) == (ids[:1], None)


# --- many at once --------------------------------------------------------------------------------------------------


async def erase_all(http: httpx.AsyncClient, **selected: Any) -> httpx.Response:
    return await http.post("/jobs/actions", json={"action": "erase", "filter": selected})


async def test_many_jobs_are_erased_by_status_age_or_caller(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world(**AUTH) as world:
        zap, admin = (world.caller("127.0.0.1", **bearer(name)) for name in ("zap", "admin"))

        async def final(http: httpx.AsyncClient, prompt: str = "a cat") -> str:
            job_id = str((await http.post("/", json={"prompt": prompt, **SMALL})).json()["id"])
            await world.run_until(lambda: finished_record(world, job_id))
            await world.clock.sleep(60)
            return job_id

        old, failed, new = await final(zap), await final(zap, "[fault:moderation]"), await final(zap)
        others = await final(admin)
        until = (await zap.get(f"/jobs/{failed}")).json()["createdAt"]
        assert (await erase_all(zap, status="failed")).json()["jobs"] == [failed]
        assert (await erase_all(zap, until=until)).json()["jobs"] == [old]
        again = await erase_all(zap, until=until)
        assert (again.status_code, again.json()["matched"], again.json()["done"]) == (200, 0, 0)
        assert (await erase_all(zap, caller="admin")).status_code == 403
        assert (await erase_all(admin, caller="zap")).json()["jobs"] == [new]
        await world.run_window()
        assert {name.split("/")[2] for name in files(tmp_path)} == {others}
        await zap.aclose()
        await admin.aclose()


async def test_an_erasure_of_everything_must_be_meant(world: World) -> None:
    job_id = await finished(world)
    for body in ({"action": "erase"}, {"action": "erase", "filter": {"limit": 5, "status": ""}}):
        response = await world.http.post("/jobs/actions", json=body)
        assert (response.status_code, response.json()["field"]) == (422, "filter")
    assert (await world.job(job_id))["status"] == "succeeded"


async def test_a_job_in_flight_is_skipped(world: World) -> None:
    await world.accepted()
    response = await erase_all(world.http, until="2100-01-01T00:00:00Z")
    assert (response.json()["matched"], response.json()["done"], response.json()["skipped"]) == (1, 0, 1)


async def test_nothing_else_can_be_done_to_an_erased_job(world: World) -> None:
    job_id = await finished(world, "[fault:moderation]")
    await erase(world, job_id)
    for action in ("redeliver", "recopy", "retry"):
        response = await world.http.post(f"/jobs/{job_id}/{action}", json={"confirm": True, "attempt": 1})
        assert (response.status_code, response.json()["errorCode"]) == (410, "erased")
    body = {"action": "retry", "filter": {}, "confirm": True}
    bulk = await world.http.post("/jobs/actions", json=body, headers={"Idempotency-Key": "k"})
    assert (bulk.json()["matched"], world.paid) == (0, 1)


async def finished_record(world: World, job_id: str) -> bool:
    return (await world.record(job_id)).finished


async def test_an_erased_row_of_an_upload_still_counts_and_is_not_made_again(world: World) -> None:
    found = await rows.uploaded(world, rows.table(3))
    ids = [job["id"] for job in await rows.jobs_of(world, found)]
    await world.end_of(*ids)
    before = await rows.batch(world, found)
    await erase(world, ids[1])
    await world.clock.sleep(20)
    assert await rows.batch(world, found) == before
    assert [job["id"] for job in await rows.jobs_of(world, found)] == [ids[0], ids[2]]
    assert [line["jobId"] for line in await rows.results(world, found)] == [ids[0], ids[2]]
    await rows.upload(world, rows.table(3))
    assert (world.paid, (await world.http.get(f"/jobs/{ids[1]}")).status_code) == (3, 410)
