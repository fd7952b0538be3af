"""Beside hostile traffic all honest jobs succeed, and the functions keep to their memory."""

import re
from pathlib import Path

import pytest

from tests.harness.measurements import note
from tests.processes.function import ROOT
from tests.processes.product import Places
from tests.storm.hostile import HARMLESS, POISONS
from tests.storm.storm_run import LONG, Case, Report, StormRun
from tests.storm.wireflow import FILES, REPLIES, RESULTS

SHORT = Case(jobs=20, seconds=2, run_seconds="0.5-1", triggers=1)
UNITS = {"Mi": 2**20, "Gi": 2**30}


def memory_limit(function: str) -> int:
    """Return the bytes that Terraform gives to a function."""
    text = Path(ROOT, "terraform", "modules", "images", f"{function}.tf").read_text()
    (amount, unit), *others = re.findall(r'available_memory\s*=\s*"(\d+)([MG]i)"', text)
    assert not others
    return int(amount) * UNITS[unit]


async def test_honest_jobs_succeed_beside_hostile_ones(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    storm = await StormRun(SHORT, Places.local(tmp_path), tmp_path / "storm", hostile=True).run()
    note(pytestconfig, f"storm: {storm}")
    check(storm, SHORT)


@pytest.mark.slow
async def test_honest_jobs_succeed_beside_every_poison(
    firestore_emulator: str, storage_server: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    places = Places.cloud(firestore_emulator, storage_server)
    storm = await StormRun(LONG, places, tmp_path / "storm", hostile=True).run()
    note(pytestconfig, f"storm: {storm}")
    check(storm, LONG)
    assert storm.hostile.keys() == POISONS.keys()
    assert storm.met.keys() >= {"taken_id", *REPLIES, *RESULTS, *FILES}, "every poison has acted"


def check(report: Report, case: Case) -> None:
    """Check all but the waits."""
    assert [job["status"] for job in report.honest] == ["succeeded"] * case.jobs
    assert not [job["id"] for job in report.honest if job["possibleDuplicate"]]
    for name, peak in report.memory.items():
        assert 0 < peak < memory_limit(name.rstrip("0123456789")), name
    for name, jobs in report.hostile.items():
        succeeded = {job["status"] == "succeeded" for job in jobs}
        assert succeeded == {name in HARMLESS}, name
    assert report.anonymous.keys() <= {0, 401, 413}
