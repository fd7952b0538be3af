"""The contract of `JobStore.create_all`, tested with both stores."""

import asyncio

import pytest

from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import AlreadyExists
from tests.jobs.places import NOW, Place, a_job, outcomes

KIB = 1024


def jobs_of(prompt: str, count: int = 5) -> list[Job]:
    return [a_job(f"job{number}", prompt=f"{prompt} {number}") for number in range(count)]


async def test_jobs_created_together_are_like_jobs_created_one_by_one(store: JobStore):
    created = await store.create_all(jobs_of("together"))
    assert created == jobs_of("together")
    for job in created:
        found = await store.get(job.id)
        assert (found, found.revision) == (job, job.revision)
        await store.save(job.evolve(attempt=2))


async def test_creating_no_jobs_does_nothing(store: JobStore):
    assert await store.create_all([]) == []


@pytest.mark.parametrize("taken", [0, 2, 4])
async def test_if_one_job_exists_none_is_created_and_the_error_has_it(store: JobStore, taken: int):
    there = await store.create(a_job(f"job{taken}", prompt="there before"))
    with pytest.raises(AlreadyExists) as met:
        await store.create_all(jobs_of("together"))
    assert (met.value.job, met.value.job.revision) == (there, there.revision)
    found = [await store.get(f"job{number}") for number in range(5)]
    assert [job for job in found if job] == [there]


async def test_a_repeated_batch_finds_one_of_its_own_jobs(store: JobStore):
    first = await store.create_all(jobs_of("together"))
    with pytest.raises(AlreadyExists) as met:
        await store.create_all(jobs_of("together"))
    assert met.value.job in first


@pytest.mark.parametrize("shift", [0, 3], ids=["the same jobs", "some jobs in common"])
async def test_of_concurrent_batches_one_wins_and_none_is_stored_in_part(place: Place, shift: int):
    stores = [place.open() for _ in range(4)]
    batches = [
        [a_job(f"job{number + caller % 2 * shift}", caller=str(caller)) for number in range(20)] for caller in range(8)
    ]
    results = await outcomes(*(store.create_all(batch) for store, batch in zip(stores * 2, batches, strict=True)))
    (won,) = [result for result in results if isinstance(result, list)]
    assert sum(isinstance(result, AlreadyExists) for result in results) == 7
    found = [await stores[0].get(f"job{number}") for number in range(20 + shift)]
    assert [job for job in found if job] == won
    await outcomes(*(store.close() for store in stores))


async def test_of_a_batch_and_one_of_its_jobs_only_one_is_created(place: Place):
    stores = [place.open(), place.open()]
    one = a_job("job3", prompt="alone")
    results = await outcomes(stores[0].create_all(jobs_of("together")), stores[1].create(one))
    assert sum(isinstance(result, AlreadyExists) for result in results) == 1
    found = [job for job in [await stores[0].get(f"job{number}") for number in range(5)] if job]
    assert found in ([one], jobs_of("together"))
    await outcomes(*(store.close() for store in stores))


async def test_a_hundred_large_jobs_are_created_together(store: JobStore):
    jobs = [a_job(f"job{number}", input="x" * 38 * KIB) for number in range(100)]  # the emulator accepts 4 MiB in total
    await store.create_all(jobs)
    assert await asyncio.gather(*(store.get(job.id) for job in jobs)) == jobs


@pytest.mark.parametrize("jobs", [jobs_of("too many", 101), [a_job(), a_job()]], ids=["101 jobs", "an id twice"])
async def test_a_batch_that_cannot_be_created_together_is_a_value_error(store: JobStore, jobs: list[Job]):
    with pytest.raises(ValueError, match=r"at most 100|the same id"):
        await store.create_all(jobs)
    assert await store.get(jobs[0].id) is None


async def test_an_invalid_time_creates_no_job(store: JobStore):
    naive = a_job("job9")
    object.__setattr__(naive, "due_at", NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="aware"):
        await store.create_all([a_job("job1"), naive])
    assert await store.get("job1") is None
