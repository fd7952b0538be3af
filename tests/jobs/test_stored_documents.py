"""Documents stored by the first version of the code are read and saved unchanged: a job in every state, the gate."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.job_states import Status
from shared.ports import JobStore
from shared.spending.gate_state import Gate
from shared.spending.rate_window import Counter, RateWindow
from tests.jobs.places import Place, SqlitePlace

STORED = json.loads((Path(__file__).parents[1] / "samples" / "stored" / "schema_1.json").read_text())
JOBS, GATES = STORED["jobs"], STORED["control"]["wireflow"]


def comparable(value: Any) -> Any:
    """The value with times as text, without nulls, and without the token of the last write."""
    if isinstance(value, dict):
        if value.keys() == {"$date"}:
            return value["$date"]
        fields = {name: item for name, item in value.items() if name != "writeToken" and item is not None}
        return {name: comparable(item) for name, item in fields.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value


def test_every_state_has_a_sample():
    assert {job["document"]["status"] for job in JOBS.values()} == set(Status)


@pytest.mark.parametrize("name", JOBS)
async def test_a_job_is_read_and_saved_unchanged(name: str, place: Place, store: JobStore):
    job_id, document = JOBS[name]["id"], JOBS[name]["document"]
    assert await store.get(job_id) is None
    await place.create(f"jobs/{job_id}", document)
    job = await store.get(job_id)
    assert job is not None
    await store.save(job)
    assert comparable(await place.look(f"jobs/{job_id}")) == comparable(document)


@pytest.mark.parametrize("name", GATES)
async def test_the_gate_is_read_and_saved_unchanged(name: str, place: Place, store: JobStore):
    assert await store.read_gate() == Gate()
    await place.create("control/wireflow", GATES[name])
    await store.save_gate(await store.read_gate())
    assert comparable(await place.look("control/wireflow")) == comparable(GATES[name])


async def test_the_form_limits_of_earlier_versions_are_not_touched(place: Place, store: JobStore):
    """`control/arrivals` listed the jobs of the last hour; `control/form_limits` has counters instead."""
    earlier = STORED["control"]["arrivals"]
    assert await store.read_rate_window() == RateWindow()  # creates the file of SQLite
    await place.create("control/arrivals", earlier)
    assert await store.read_rate_window() == RateWindow()
    await store.save_rate_window(RateWindow(counters={"total": (Counter(1, 2),)}))
    assert await place.look("control/arrivals") == earlier


async def test_the_secret_for_job_ids_is_read_unchanged(sqlite_place: SqlitePlace):
    """Firestore stores bytes, which the sample, a JSON file, cannot hold."""
    secret = STORED["control"]["ids"]["secret"]
    store = sqlite_place.open()
    await store.read_gate()  # creates the file
    await sqlite_place.create("control/ids", {"secret": secret})
    assert await store.id_secret() == bytes.fromhex(secret)
    await store.close()
