"""What the port `JobStore` promises of the gate, of arrivals and of the secret behind ids, held against both stores."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from shared.error_codes import ErrorCode
from shared.ports import Conflict, JobStore
from shared.spending.gate import Gate, ResumeOn, Suspension
from shared.spending.rate_window import Arrival, RateWindow
from tests.jobs.places import NOW, Place, outcomes

SECOND = timedelta(seconds=1)
CLOSURE = Suspension(
    reason=ErrorCode.INSUFFICIENT_CREDITS,
    resume_on=ResumeOn.TRIAL,
    since=NOW,
    until=NOW + 300 * SECOND,
    tries=2,
    credits_required=12.5,
    credits_available=3,
)


async def test_a_gate_that_nobody_wrote_is_open(store: JobStore):
    assert await store.read_gate() == Gate()


async def test_a_gate_read_equals_the_gate_written(store: JobStore):
    gate = Gate(starts=(NOW, NOW, NOW + SECOND), day="2026-03-01", executions_today=3, suspension=CLOSURE)
    saved = await store.save_gate(gate)
    assert await store.read_gate() == saved == dataclasses.replace(gate, revision=saved.revision)
    again = await store.save_gate(dataclasses.replace(saved, starts=(), suspension=None))
    assert await store.read_gate() == again == Gate(day="2026-03-01", executions_today=3, revision=again.revision)


async def test_suspended_workflows_come_back_and_leave_no_trace_when_they_resume(store: JobStore, place: Place):
    suspended = dataclasses.replace(
        CLOSURE, workflow="old", refused_workflow="old", refused_caller="form:", contested_at=NOW, tried_at=NOW + SECOND
    )
    gate = Gate(workflows=(suspended, dataclasses.replace(suspended, workflow="older", tried_at=None)))
    saved = await store.save_gate(gate)
    assert (await store.read_gate()).workflows == gate.workflows
    await store.save_gate(dataclasses.replace(saved, workflows=()))
    assert await store.read_gate() == Gate(revision=(await store.read_gate()).revision)
    assert not (await place.look("control/wireflow")).get("workflows")


async def test_a_closure_without_figures_comes_back_without_them(store: JobStore):
    closure = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=NOW, until=NOW)
    await store.save_gate(Gate(suspension=closure))
    assert (await store.read_gate()).suspension == closure


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


# --- arrivals ------------------------------------------------------------------------------------------------------

ARRIVED = (
    Arrival(at=NOW, address="9f" * 8, job_id="0123456789abcdef"),
    Arrival(at=NOW + timedelta(microseconds=1), address='odd " \\ 🦊', job_id=""),
)


async def test_arrivals_that_nobody_wrote_are_none(store: JobStore):
    assert await store.read_arrivals() == RateWindow()
    assert (await store.read_arrivals()).revision is None


async def test_arrivals_read_equal_the_arrivals_written(store: JobStore):
    first = await store.save_arrivals(RateWindow(ARRIVED))
    found = await store.read_arrivals()
    assert (found, found.revision) == (RateWindow(ARRIVED), first.revision)
    second = await store.save_arrivals(dataclasses.replace(found, entries=()))
    assert await store.read_arrivals() == second == RateWindow()


async def test_stale_arrivals_are_a_conflict(store: JobStore):
    first = await store.save_arrivals(RateWindow())
    await store.save_arrivals(dataclasses.replace(first, entries=ARRIVED))
    for stale in (first, RateWindow()):
        with pytest.raises(Conflict, match="arrivals"):
            await store.save_arrivals(dataclasses.replace(stale, entries=ARRIVED[:1]))
    assert (await store.read_arrivals()).entries == ARRIVED


async def test_of_many_who_arrive_at_once_one_is_recorded(place: Place):
    stores = [place.open() for _ in range(4)]
    last = await stores[0].save_arrivals(RateWindow())
    claims = [RateWindow((Arrival(at=NOW, address="a", job_id=str(n)),), revision=last.revision) for n in range(8)]
    results = await outcomes(*(store.save_arrivals(claim) for store, claim in zip(stores * 2, claims, strict=True)))
    (won,) = [result for result in results if isinstance(result, RateWindow)]
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert await stores[0].read_arrivals() == won
    await outcomes(*(store.close() for store in stores))


async def test_ten_thousand_arrivals_fit_into_one_document(place: Place, store: JobStore):
    many = tuple(Arrival(at=NOW + n * SECOND, address="9f" * 8, job_id=f"{n:016x}") for n in range(10_000))
    await store.save_arrivals(RateWindow(many))
    assert (await store.read_arrivals()).entries == many
    assert len((await place.look("control/arrivals"))["entries"]) < 700_000


async def test_a_naive_arrival_is_refused(store: JobStore):
    with pytest.raises(ValueError, match="aware"):
        await store.save_arrivals(RateWindow((Arrival(at=NOW.replace(tzinfo=None), address="a", job_id="b"),)))


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
