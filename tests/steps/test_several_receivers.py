"""Each receiver of a job has its own state, also one added by a repeat, and none delays images or another."""

import asyncio
from pathlib import Path

from functions.poller.window import MAX_FINAL
from shared.job import Job
from shared.ports import JobStore
from shared.runtime.endpoints import FAILURES, PER_ENDPOINT
from tests.harness import world as harness
from tests.harness.receivers import Receiver, failing
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.deliveries import MINUTE, SECOND, run_until_settled

# --- added by a repeated request -----------------------------------------------------------------------------------


async def test_a_repeated_request_adds_its_receiver_once_and_a_final_job_tells_it_at_once(
    open_world: OpenWorld,
) -> None:
    async with open_world(wake_ups=True) as world:
        first, second = Receiver(world, "first.test"), Receiver(world, "second.test")
        job_id = await world.accepted(key="k", callbackUrl=first.url)
        await world.end_of(job_id)
        for _ in range(2):
            response = await world.post(key="k", callbackUrl=second.url)
            assert (response.headers["idempotent-replayed"], response.json()["id"]) == ("true", job_id)
            await world.clock.sleep(12.0)
        assert [len(receiver.deliveries) for receiver in (first, second)] == [1, 1]
        assert first.deliveries[0].id == second.deliveries[0].id
        assert world.paid == 1


async def test_a_ninth_receiver_is_refused_and_a_known_one_is_not(world: World) -> None:
    urls = [f"https://receiver.test/{number}" for number in range(9)]
    job_id = await world.accepted(key="k", callbackUrl=urls[:3])
    assert (await world.post(key="k", callbackUrl=urls[3:6])).status_code == 202
    assert (await world.post(key="k", callbackUrl=urls[6:8])).status_code == 202
    refused = await world.post(key="k", callbackUrl=urls[7:])
    assert (refused.status_code, refused.json()["field"]) == (422, "callbackUrl")
    assert (await world.post(key="k", callbackUrl=urls[5:8])).status_code == 202
    assert [item["url"] for item in (await world.job(job_id))["callbacks"]] == urls[:8]


async def test_receivers_that_are_added_while_workers_write_are_all_told_and_nothing_is_lost(
    open_world: OpenWorld,
) -> None:
    """A request adds a receiver in every phase of a job, at the same moment as its worker writes."""
    async with open_world(wrap=SlowWrites, run_seconds=(3.0, 6.0)) as world:
        receiver = Receiver(world, "receiver.test")
        scheduler = asyncio.create_task(world.run_for(3 * MINUTE))
        jobs = [asyncio.create_task(job_with_eight_receivers(world, number)) for number in range(6)]
        job_ids = await asyncio.gather(*jobs)
        await scheduler
        assert world.paid == len(job_ids)
        for job_id in job_ids:
            job = await world.job(job_id)
            assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)
            assert {one["status"] for one in job["callbacks"]} == {"delivered"}
            paths = [delivery.url.path for delivery in receiver.deliveries if delivery.id.startswith(job_id)]
            assert sorted(set(paths)) == sorted(f"/{number}" for number in range(8))


async def job_with_eight_receivers(world: World, number: int) -> str:
    """Submit a job, and repeat the request seven times within ten seconds, each time with another receiver."""
    job_id = ""
    for receiver in range(8):
        response = await world.post(
            f"a cat {number}", key=f"k{number}", callbackUrl=f"https://receiver.test/{receiver}"
        )
        assert response.status_code in (200, 202), response.text
        job_id = response.json()["id"]
        await world.clock.sleep(0.3 * (number + receiver))
    return job_id


class SlowWrites:
    """A job store whose writes take half a second, so that they meet."""

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner

    async def save(self, job: Job) -> Job:
        await asyncio.sleep(0.25)
        saved = await self._inner.save(job)
        await asyncio.sleep(0.25)
        return saved

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


# --- side by side --------------------------------------------------------------------------------------------------


async def test_each_receiver_of_a_job_has_its_own_state(world: World) -> None:
    good, bad = Receiver(world, "good.test"), Receiver(world, "bad.test", failing(2))
    job_id = await world.accepted(callbackUrl=[bad.url, good.url])
    await world.end_of(job_id)
    job = await world.job(job_id)
    assert [one["status"] for one in job["callbacks"]] == ["pending", "delivered"]
    await run_until_settled(world, job_id)
    assert (len(good.deliveries), len(bad.deliveries)) == (1, 3)


async def test_dead_receivers_delay_neither_images_nor_other_receivers(tmp_path: Path) -> None:
    alone = await with_90_more_jobs(tmp_path / "alone", dead=False)
    beside = await with_90_more_jobs(tmp_path / "beside", dead=True)
    assert beside[0] <= 1.1 * alone[0], "images"
    assert beside[1] <= alone[1] + 3.0, "notifications: the next scan finds them, if all workers were busy"


async def with_90_more_jobs(folder: Path, *, dead: bool) -> tuple[float, float]:
    """Submit 90 jobs, whose receivers may be dead, and 30 with a good one.

    Return the seconds until all images are stored, and of the latest notification of the good one after its job's end.
    """
    async with harness.world(folder, run_seconds=(3.0, 6.0), wake_ups=True) as world:
        good = Receiver(world, "good.test")
        hanging = [Receiver(world, f"dead{number}.test", seconds=3_600.0) for number in range(3)]
        began = world.clock.now()
        urls = [hanging[number % 3].url if dead else "" for number in range(90)]
        asked = [
            await world.accepted(f"{number} {dead}", callbackUrl=url)
            for number, url in enumerate(urls + [good.url] * 30)
        ]
        await world.run_for(4 * MINUTE)
        jobs = [await world.record(job_id) for job_id in asked]
        assert {job.status for job in jobs} == {"succeeded"}, [job.error for job in jobs if job.error]
        stored = max(job.completed_at for job in jobs if job.completed_at) - began
        ends = {f"{job.id}-1-succeeded": job.completed_at for job in jobs if job.completed_at}
        late = [delivery.at - ends[delivery.id] for delivery in good.deliveries]
        assert len(good.deliveries) == 30
        assert all(receiver.most_under_way <= PER_ENDPOINT for receiver in hanging)
        return stored.total_seconds(), max(late).total_seconds()


async def test_at_most_64_final_jobs_are_held_half_of_them_of_one_caller_and_images_do_not_wait(world: World) -> None:
    receivers = [Receiver(world, f"slow{number}.test", seconds=10.0) for number in range(150)]
    for number, receiver in enumerate(receivers):
        await world.post(f"[fault:bad_request] {number}", callbackUrl=receiver.url)
    job_id = await world.accepted()
    window = asyncio.create_task(world.run_window())
    most = 0
    while not window.done():
        await world.clock.sleep(0.5)
        most = max(most, sum(receiver.under_way for receiver in receivers))
    job = await world.job(job_id)
    assert job["status"] == "succeeded"
    assert moment(job["completedAt"]) - moment(job["createdAt"]) < 20 * SECOND
    assert most == MAX_FINAL // 2
    await world.run_for(3 * MINUTE)
    assert all(receiver.deliveries for receiver in receivers), "the end of a window may cut one off, which is repeated"


async def test_an_endpoint_that_fails_repeatedly_is_tried_by_one_delivery_at_a_time(world: World) -> None:
    receiver = Receiver(world, "receiver.test", 500, seconds=2.0)
    asked = [await world.accepted(str(number), callbackUrl=receiver.url) for number in range(30)]
    await world.end_of(*asked)
    await world.run_for(2 * MINUTE)
    before = len(receiver.deliveries)
    assert before > FAILURES
    receiver.most_under_way = 0
    await world.run_for(8 * MINUTE)
    assert len(receiver.deliveries) > before
    assert receiver.most_under_way == 1
    receiver.answer, receiver.seconds = 204, 0.0
    await world.run_for(60 * MINUTE)
    jobs = [await world.job(job_id) for job_id in asked]
    assert {job["callbacks"][0]["status"] for job in jobs} == {"delivered"}
