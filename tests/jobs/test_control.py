"""The control documents of both stores: the gate, the rate window, and the secret behind job ids."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from shared.error_codes import ErrorCode
from shared.ports import JobStore
from shared.spending.gate_state import Gate, ResumeOn, Suspension
from shared.spending.rate_window import Counter, RateWindow, RecentJob
from shared.store_errors import Conflict
from tests.jobs.places import NOW, Place, outcomes

SECOND = timedelta(seconds=1)
SUSPENSION = Suspension(
    reason=ErrorCode.INSUFFICIENT_CREDITS,
    resume_on=ResumeOn.TRIAL,
    since=NOW,
    until=NOW + 300 * SECOND,
    tries=2,
    credits_required=12.5,
    credits_available=3,
)


async def test_a_gate_without_a_document_is_open(store: JobStore):
    assert await store.read_gate() == Gate()


async def test_a_gate_read_equals_the_gate_written(store: JobStore):
    gate = Gate(starts=(NOW, NOW, NOW + SECOND), day="2026-03-01", executions_today=3, suspension=SUSPENSION)
    saved = await store.save_gate(gate)
    assert await store.read_gate() == saved == dataclasses.replace(gate, revision=saved.revision)
    again = await store.save_gate(dataclasses.replace(saved, starts=(), suspension=None))
    assert await store.read_gate() == again == Gate(day="2026-03-01", executions_today=3, revision=again.revision)


async def test_suspended_workflows_are_read_as_written_and_removed_when_they_resume(store: JobStore, place: Place):
    suspended = dataclasses.replace(
        SUSPENSION, workflow="old", refused_workflow="old", refused_caller="form:", contested_at=NOW, tried_at=NOW
    )
    gate = Gate(workflows=(suspended, dataclasses.replace(suspended, workflow="older", tried_at=None)))
    saved = await store.save_gate(gate)
    assert (await store.read_gate()).workflows == gate.workflows
    await store.save_gate(dataclasses.replace(saved, workflows=()))
    assert await store.read_gate() == Gate(revision=(await store.read_gate()).revision)
    assert not (await place.look("control/wireflow")).get("workflows")


async def test_a_suspension_without_figures_is_read_without_them(store: JobStore):
    suspension = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=NOW, until=NOW)
    await store.save_gate(Gate(suspension=suspension))
    assert (await store.read_gate()).suspension == suspension


async def test_a_stale_gate_is_a_conflict(store: JobStore):
    first = await store.save_gate(Gate(executions_today=1))
    await store.save_gate(dataclasses.replace(first, executions_today=2))
    for stale in (first, Gate()):
        with pytest.raises(Conflict):
            await store.save_gate(dataclasses.replace(stale, executions_today=9))
    assert (await store.read_gate()).executions_today == 2


async def test_of_many_first_writes_of_the_gate_one_wins(place: Place):
    stores = [place.open() for _ in range(4)]
    results = await outcomes(*(store.save_gate(Gate(executions_today=n)) for n, store in enumerate(stores, 1)))
    (won,) = [result for result in results if isinstance(result, Gate)]
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert await stores[0].read_gate() == won
    await outcomes(*(store.close() for store in stores))


async def test_unknown_fields_of_the_gate_survive_a_save(place: Place, store: JobStore):
    await store.save_gate(Gate())
    await place.put("control/wireflow", dollarsToday=1.5)
    gate = await store.read_gate()
    await store.save_gate(dataclasses.replace(gate, executions_today=1))
    assert (await place.look("control/wireflow"))["dollarsToday"] == 1.5


# --- the rate window -----------------------------------------------------------------------------------------------

COUNTERS = {"total": (Counter(1, 2), Counter(3, 4)), "9f" * 8: (Counter(3, 4),)}
JOBS = {"0123456789abcdef": RecentJob(1_772_366_400, None), "0" * 16: RecentJob(1_772_366_401, "f" * 16)}
WINDOW = RateWindow(COUNTERS, JOBS)


async def test_a_rate_window_that_was_never_saved_is_empty(store: JobStore):
    assert await store.read_rate_window() == RateWindow()
    assert (await store.read_rate_window()).revision is None


async def test_a_rate_window_read_equals_the_one_saved(store: JobStore):
    first = await store.save_rate_window(WINDOW)
    found = await store.read_rate_window()
    assert (found, found.revision) == (WINDOW, first.revision)
    assert list(found.jobs) == list(JOBS)  # the oldest first
    second = await store.save_rate_window(dataclasses.replace(found, counters={}, jobs={}))
    assert await store.read_rate_window() == second == RateWindow()


async def test_a_stale_rate_window_is_a_conflict(store: JobStore):
    first = await store.save_rate_window(RateWindow())
    await store.save_rate_window(dataclasses.replace(first, jobs=JOBS))
    for stale in (first, RateWindow()):
        with pytest.raises(Conflict, match="form_limits"):
            await store.save_rate_window(dataclasses.replace(stale, counters=COUNTERS))
    assert await store.read_rate_window() == RateWindow(jobs=JOBS)


async def test_of_many_concurrent_writes_of_the_rate_window_one_wins(place: Place):
    stores = [place.open() for _ in range(4)]
    last = await stores[0].save_rate_window(RateWindow())
    claims = [dataclasses.replace(last, counters={"total": (Counter(1, number),)}) for number in range(8)]
    results = await outcomes(*(store.save_rate_window(claim) for store, claim in zip(stores * 2, claims, strict=True)))
    (won,) = [result for result in results if isinstance(result, RateWindow)]
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert await stores[0].read_rate_window() == won
    await outcomes(*(store.close() for store in stores))


async def test_unknown_fields_of_the_rate_window_survive_a_save(place: Place, store: JobStore):
    await store.save_rate_window(WINDOW)
    await place.put("control/form_limits", budget=7)
    await store.save_rate_window(await store.read_rate_window())
    assert (await place.look("control/form_limits"))["budget"] == 7


# --- the secret ----------------------------------------------------------------------------------------------------


async def test_all_who_ask_first_get_the_same_secret(place: Place):
    stores = [place.open() for _ in range(8)]
    secrets = await asyncio.gather(*(store.id_secret() for store in stores))
    assert len(set(secrets)) == 1
    assert (len(secrets[0]), type(secrets[0])) == (32, bytes)
    assert await stores[0].id_secret() == secrets[0]
    await outcomes(*(store.close() for store in stores))


async def test_two_places_have_two_secrets(place: Place, store: JobStore):
    other = type(place)(f"{place.address}-2").open()
    assert await other.id_secret() != await store.id_secret()
    await other.close()


async def test_close_may_be_called_unused_and_twice(place: Place):
    store = place.open()
    await store.close()
    await store.close()
