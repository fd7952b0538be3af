"""What only Firestore can do to a write: lose its response, be away, response with a passing fault."""

import asyncio
import dataclasses
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import DefaultCredentialsError
from google.protobuf.timestamp_pb2 import Timestamp

from shared.jobs.firestore import FirestoreJobs
from shared.jobs.firestore_rpc import Revision
from shared.ports import JobQuery, JobStore
from shared.spending.gate_state import Gate
from shared.spending.rate_window import RateWindow
from shared.store_errors import AlreadyExists, Conflict, RecordTooLarge, StoreUnavailable
from tests.jobs.places import NOW, FirestorePlace, a_job
from tests.jobs.proxy import Fault, Proxy, lost_response, proxy_before

UNKNOWN_REVISION = Revision(Timestamp(seconds=1), {})


@pytest.fixture
async def proxy(firestore_place: FirestorePlace, firestore_emulator: str, monkeypatch) -> AsyncIterator[Proxy]:
    async with proxy_before(firestore_emulator) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.address)
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, firestore_place: FirestorePlace) -> AsyncIterator[JobStore]:
    store = firestore_place.open()
    yield store
    await store.close()


@pytest.fixture
async def rival(
    proxy: Proxy, firestore_place: FirestorePlace, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[JobStore]:
    """A store of the same data that does not go through the proxy."""
    with monkeypatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
        rival = firestore_place.open()
        await rival.get("unknown")  # creates its client
    yield rival
    await rival.close()


def calls_of(store: JobStore) -> list:
    """Every call of the port, not awaited yet."""
    known = dataclasses.replace(a_job(), revision=UNKNOWN_REVISION)
    return [
        store.create(a_job()),
        store.create_all([a_job("job2"), a_job("job3")]),
        store.list_jobs(JobQuery(limit=1)),
        store.read_rate_window(),
        store.save_rate_window(RateWindow()),
        store.get("job1"),
        store.save(known),
        store.due(NOW, 1),
        store.queue_head(NOW, 1),
        store.with_execution("exec_1", 1),
        store.count_ahead(NOW),
        store.count_queued("zap", 9),
        store.read_gate(),
        store.save_gate(Gate()),
        store.id_secret(),
    ]


# --- lost responses --------------------------------------------------------------------------------------------------


async def test_a_create_whose_response_was_lost_counts_as_done(proxy: Proxy, store: JobStore):
    proxy.faults.append(lost_response())
    created = await store.create(a_job())
    assert proxy.calls == ["Commit", "Commit", "BatchGetDocuments"]
    assert (await store.get("job1")).revision == created.revision
    await store.save(created.evolve(attempt=2))


async def test_a_save_whose_response_was_lost_counts_as_done(proxy: Proxy, store: JobStore):
    created = await store.create(a_job())
    proxy.faults.append(lost_response())
    saved = await store.save(created.evolve(attempt=2))
    assert (await store.get("job1")).revision == saved.revision
    await store.save(saved.evolve(attempt=3))


async def test_two_lost_responses_in_a_row_count_as_done(proxy: Proxy, store: JobStore):
    created = await store.create(a_job())
    proxy.faults.extend([Fault(), lost_response(), Fault()])
    saved = await store.save(created.evolve(attempt=2))
    assert (await store.get("job1")).revision == saved.revision


async def test_a_batch_whose_response_was_lost_counts_as_done(proxy: Proxy, store: JobStore):
    jobs = [a_job(f"job{number}") for number in range(3)]
    proxy.faults.append(lost_response())
    created = await store.create_all(jobs)
    assert proxy.calls == ["Commit", "Commit", "BatchGetDocuments"]
    for job in created:
        assert (await store.get(job.id)).revision == job.revision
        await store.save(job.evolve(attempt=2))


async def test_a_batch_whose_response_was_lost_is_ours_though_one_of_it_was_changed_since(
    proxy: Proxy, store: JobStore, rival: JobStore
):
    async def take_up() -> None:
        await rival.save((await rival.get("job0")).evolve(attempt=2))

    proxy.faults.append(lost_response(take_up))
    created = await store.create_all([a_job(f"job{number}") for number in range(3)])
    assert [job.id for job in created] == ["job0", "job1", "job2"]
    assert (await store.get("job0")).attempt == 2


async def test_a_batch_of_somebody_else_is_never_taken_for_ours(proxy: Proxy, store: JobStore, rival: JobStore):
    jobs = [a_job(f"job{number}") for number in range(3)]
    proxy.faults.append(Fault(meanwhile=lambda: rival.create_all(jobs)))
    with pytest.raises(AlreadyExists):
        await store.create_all(jobs)


async def test_a_gate_whose_response_was_lost_counts_as_done(proxy: Proxy, store: JobStore):
    proxy.faults.append(lost_response())
    first = await store.save_gate(Gate(executions_today=1))
    proxy.faults.append(lost_response())
    second = await store.save_gate(dataclasses.replace(first, executions_today=2))
    assert await store.read_gate() == second


async def test_a_secret_whose_response_was_lost_is_the_secret(proxy: Proxy, store: JobStore, rival: JobStore):
    proxy.faults.append(lost_response())
    assert await store.id_secret() == await rival.id_secret()


async def test_a_document_of_somebody_else_is_never_taken_for_ours(proxy: Proxy, store: JobStore, rival: JobStore):
    proxy.faults.append(Fault(meanwhile=lambda: rival.create(a_job(prompt="theirs"))))
    with pytest.raises(AlreadyExists) as met:
        await store.create(a_job())
    assert met.value.job.prompt == "theirs"


async def test_a_write_that_was_overwritten_before_we_could_check_is_a_conflict(
    proxy: Proxy, store: JobStore, rival: JobStore
):
    created = await store.create(a_job())

    async def overtake() -> None:
        await rival.save((await rival.get("job1")).evolve(prompt="theirs"))

    proxy.faults.append(lost_response(overtake))
    with pytest.raises(Conflict):
        await store.save(created.evolve(attempt=2))
    found = await store.get("job1")
    assert (found.attempt, found.prompt) == (2, "theirs")


async def test_a_job_that_has_expired_is_a_conflict(proxy: Proxy, store: JobStore):
    proxy.faults.append(Fault(grpc.StatusCode.NOT_FOUND))  # the emulator says FAILED_PRECONDITION instead
    with pytest.raises(Conflict):
        await store.save(dataclasses.replace(a_job(), revision=UNKNOWN_REVISION))
    assert await store.get("job1") is None


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ABORTED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"])
async def test_a_passing_fault_is_tried_again(proxy: Proxy, store: JobStore, code: str):
    proxy.faults.append(Fault(grpc.StatusCode[code]))
    await store.create(a_job())
    assert proxy.calls == ["Commit", "Commit"]


async def test_a_fault_that_lasts_says_that_the_store_is_unavailable_and_why(proxy: Proxy, store: JobStore):
    proxy.faults.append(Fault(grpc.StatusCode.PERMISSION_DENIED))
    with pytest.raises(StoreUnavailable, match="PermissionDenied") as raised:
        await store.create(a_job())
    assert isinstance(raised.value.__cause__, GoogleAPIError)
    assert proxy.calls == ["Commit"]


async def test_a_document_that_firestore_rejects_permanently_is_not_taken_for_a_conflict(proxy: Proxy, store: JobStore):
    created = await store.create(a_job())
    proxy.faults.append(Fault(grpc.StatusCode.INVALID_ARGUMENT))
    with pytest.raises(RecordTooLarge):
        await store.save(created.evolve(attempt=2))
    assert proxy.calls == ["Commit", "Commit"], "it is not retried"


@pytest.mark.parametrize("listens", [True, False])
async def test_a_store_that_does_not_respond_is_unavailable_in_time(monkeypatch: pytest.MonkeyPatch, listens: bool):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        store = FirestoreJobs("unknown", seconds=0.3)
        began = time.monotonic()
        results = await asyncio.gather(*calls_of(store), return_exceptions=True)
        assert time.monotonic() - began < 1
        await store.close()
    assert [type(result) for result in results] == [StoreUnavailable] * len(results)
    assert all(result.__cause__ for result in results)


async def test_what_is_tried_again_late_does_not_get_more_time(proxy: Proxy, firestore_place: FirestorePlace):
    store = FirestoreJobs(firestore_place.address, seconds=1)
    await store.get("unknown")
    proxy.faults.append(Fault(meanwhile=lambda: asyncio.sleep(0.8)))
    proxy.faults.append(Fault(meanwhile=lambda: asyncio.sleep(60)))
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="within 1 s"):
        await store.create(a_job())
    assert time.monotonic() - began < 1.5
    await store.close()


async def test_calls_that_come_at_once_share_one_client(store: JobStore):
    first, second = await asyncio.gather(store._database._get_client(), store._database._get_client())
    assert first is second


async def test_without_credentials_a_store_can_be_made_and_its_calls_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    store = FirestoreJobs("unknown")
    with pytest.raises(StoreUnavailable) as raised:
        await store.get("job1")
    assert isinstance(raised.value.__cause__, DefaultCredentialsError)
    await store.close()


# --- cost ----------------------------------------------------------------------------------------------------------


async def test_every_call_costs_one_request(proxy: Proxy, store: JobStore):
    created = await store.create(a_job())
    saved = await store.save(created.evolve(attempt=2))
    await store.save(saved)
    gate = await store.save_gate(Gate())
    await store.save_gate(gate)
    window = await store.save_rate_window(RateWindow())
    await store.save_rate_window(window)
    await store.create_all([a_job(f"together{number}") for number in range(9)])
    assert proxy.calls == ["Commit"] * 8
    proxy.calls.clear()
    await store.get("job1")
    await store.read_gate()
    await store.read_rate_window()
    await store.due(NOW, 9)
    await store.due(NOW, 9, in_flight=True)
    await store.queue_head(NOW, 9)
    await store.with_execution("exec_1", 9)
    await store.list_jobs(JobQuery(limit=9, caller="zap", since=NOW, before=(NOW, "job1")))
    await store.count_ahead(NOW)
    await store.count_queued("zap", 9)
    assert proxy.calls == ["BatchGetDocuments"] * 3 + ["RunQuery"] * 5 + ["RunAggregationQuery"] * 2


async def test_the_secret_is_read_once(proxy: Proxy, store: JobStore, rival: JobStore):
    assert await rival.id_secret() == await store.id_secret() == await store.id_secret()
    assert proxy.calls == ["BatchGetDocuments"]


async def test_an_update_names_no_field_that_is_not_ours(
    firestore_place: FirestorePlace, proxy: Proxy, store: JobStore
):
    created = await store.create(a_job(due_at=NOW))
    before = await firestore_place.look("jobs/job1")
    await store.save(created.evolve(due_at=None))
    after = await firestore_place.look("jobs/job1")
    assert before.keys() - after.keys() == {"dueAt"}
    assert len(after["writeToken"]) == 32
    assert before["writeToken"] != after["writeToken"]
