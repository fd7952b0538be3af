"""A client that sends bulk actions until nothing is left reaches each job once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from shared.steps import bulk_actions
from tests.harness.receivers import Receiver
from tests.harness.world import World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.test_bulk_actions import MINUTE, act, failed_jobs, retry_all

PHOTO = {"image1": ("cat.png", encoded("png", 40, 30), "image/png")}


async def act_until_nothing_is_left(world: World, action: str, **selected: Any) -> list[list[str]]:
    """Return the jobs of each response, as the README says: a new request, with `nextUntil` if the response has it."""
    consent = {"confirm": True} if action == "retry" else {}
    done = []
    for number in range(20):
        response = await act(world, action, key=f"k{number}", filter=selected, **consent)
        result = response.json()
        assert "retry-after" not in response.headers
        done.append(result["jobs"])
        if response.status_code == 200:
            assert "nextUntil" not in result
            return done
        assert response.status_code == 202
        if "nextUntil" in result:
            selected["until"] = result["nextUntil"]
    pytest.fail(f"it never ends: {done}")


async def created(world: World, groups: Sequence[int], **fields: Any) -> list[str]:
    """Return the ids of jobs, the newest first. The jobs of each group are created in the same microsecond."""
    ids: list[str] = []
    for size in groups:
        ids += [await world.accepted(f"cat {len(ids)} {number}", **fields) for number in range(size)]
        await world.clock.sleep(1)
    times = {(await world.record(job_id)).created_at for job_id in ids}
    assert len(times) == len(groups)
    return ids[::-1]


# --- actions after which the jobs match again ----------------------------------------------------------------------


@pytest.mark.parametrize("groups", [(1,) * 6, (1, 2, 3), (3, 2, 1), (2, 2, 2), (4, 2), (2, 4), (6,), (1, 5), (5, 1)])
async def test_each_job_is_redelivered_once_however_many_there_are(world: World, groups: tuple[int, ...]) -> None:
    receiver = Receiver(world, "receiver.test")
    ids = await created(world, groups, callbackUrl=receiver.url)
    await world.end_of(*ids)
    await world.run_for(2 * MINUTE)
    done = await act_until_nothing_is_left(world, "redeliver", status="succeeded", limit=4)
    assert Counter(job_id for each in done for job_id in each) == Counter(ids)
    assert all(len(each) <= max(4, *groups) for each in done)
    await world.run_for(2 * MINUTE)
    assert set(Counter(delivery.id for delivery in receiver.deliveries).values()) == {2}


async def test_a_dry_run_names_the_jobs_of_the_next_request(world: World) -> None:
    receiver = Receiver(world, "receiver.test")
    ids = await created(world, (1, 1, 1), callbackUrl=receiver.url)
    await world.end_of(*ids)
    planned = await act(world, "redeliver", dryRun=True, filter={"limit": 2})
    done = await act(world, "redeliver", filter={"limit": 2})
    assert (planned.status_code, done.status_code) == (200, 202)
    assert planned.json()["jobs"] == done.json()["jobs"] == ids[:2]
    assert planned.json()["nextUntil"] == done.json()["nextUntil"]
    rest = await act(world, "redeliver", dryRun=True, filter={"limit": 2, "until": planned.json()["nextUntil"]})
    assert (rest.json()["jobs"], "nextUntil" in rest.json()) == (ids[2:], False)


@pytest.mark.parametrize("limit", [1, 100])
async def test_no_job_at_the_end_of_what_was_examined_is_redelivered_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    receiver = Receiver(world, "receiver.test")
    ids = await created(world, (1, 2, 1, 1, 2), callbackUrl=receiver.url)
    await world.end_of(*ids)
    monkeypatch.setattr(bulk_actions, "PAGE", 1)
    monkeypatch.setattr(bulk_actions, "MAX_EXAMINED", 3)
    done = await act_until_nothing_is_left(world, "redeliver", limit=limit)
    assert Counter(job_id for each in done for job_id in each) == Counter(ids)


async def test_images_that_cannot_be_copied_do_not_keep_the_others_from_it(world: World) -> None:
    world.vendor.answer("cdn", lambda _call: httpx.Response(503))
    ids = await created(world, (1, 1, 1))
    await world.end_of(*ids)
    first = await act(world, "recopy", filter={"limit": 2})
    await world.end_of(*ids)
    rest = await act(world, "recopy", filter={"limit": 2, "until": first.json()["nextUntil"]})
    assert (first.json()["jobs"], rest.json()["jobs"], rest.status_code) == (ids[:2], ids[2:], 200)


async def test_jobs_that_cannot_be_retried_do_not_keep_the_others_from_it(world: World) -> None:
    older = await failed_jobs(world, 3)
    await world.simulated("/_faults", fault="failed", times=2)
    photos = [(await world.http.post("/", data={"prompt": "a cat"}, files=PHOTO)).json()["id"] for _ in range(2)]
    await world.end_of(*photos)
    for job_id in photos:
        await world.deps.images.delete(f"inputs/{job_id}")
    paid = world.paid
    assert await act_until_nothing_is_left(world, "retry", status="failed", limit=2) == [[], older[:2], older[2:]]
    await world.end_of(*older)
    assert world.paid == paid + 3


async def test_a_job_that_failed_again_is_not_paid_again_before_the_others(world: World) -> None:
    ids = await failed_jobs(world, 3)
    await world.simulated("/_faults", fault="failed", times=2)
    first = await retry_all(world, limit=2)
    await world.end_of(*ids)
    until = first.json()["nextUntil"]
    assert (await retry_all(world, "another", limit=2, until=until)).json()["jobs"] == ids[2:]
    again = await retry_all(world, limit=2)
    assert (again.status_code, again.json()) == (first.status_code, first.json()), "`nextUntil` is stored with it"


async def test_never_more_jobs_than_the_limit_are_paid(world: World) -> None:
    await world.simulated("/_faults", fault="failed", times=3)
    ids = await created(world, (3,))
    await world.end_of(*ids)
    done = await act_until_nothing_is_left(world, "retry", status="failed", limit=2)
    assert [len(each) for each in done] == [2, 1]
    assert {job_id for each in done for job_id in each} == set(ids)


# --- actions after which they do not match -------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["cancel", "erase"])
@pytest.mark.parametrize("examined", [4, 10_000])
async def test_each_job_is_canceled_or_erased_once_however_many_there_are(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch, action: str, examined: int
) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        ids = await created(world, (1, 2, 1, 2, 1))
        if action == "erase":
            await world.end_of(*ids)
        left = {job_id for job_id in ids if action == "erase" or (await world.job(job_id))["status"] == "queued"}
        monkeypatch.setattr(bulk_actions, "PAGE", 1)
        monkeypatch.setattr(bulk_actions, "MAX_EXAMINED", examined)
        done = await act_until_nothing_is_left(world, action, since="2020-01-01T00:00:00Z", limit=2)
        assert Counter(job_id for each in done for job_id in each) == Counter(left)
        assert all(len(each) <= 2 for each in done)
