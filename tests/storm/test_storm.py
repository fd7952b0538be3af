"""Beside hostile traffic all honest jobs succeed, hardly later, and the functions keep to their memory."""

import re
from pathlib import Path

import pytest

from tests.harness.measurements import note
from tests.processes.function import ROOT
from tests.processes.product import Places
from tests.storm.hostile import HARMLESS, POISONS
from tests.storm.storm_run import Case, Report, StormRun
from tests.storm.wireflow import FILES, REPLIES, RESULTS

MAX_RATIO = 1.5  # of the worst waits with and without hostile traffic
SHORT = Case(jobs=20, seconds=2, run_seconds="0.5-1", triggers=1)
# Runs as long as the real ones: the waits are then those of the product, not of a busy machine.
LONG = Case(jobs=200, seconds=20, run_seconds="10-20", triggers=2)
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
async def test_honest_jobs_wait_hardly_longer(
    firestore_emulator: str, storage_server: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    calm, storm = [
        await StormRun(LONG, Places.cloud(firestore_emulator, storage_server), tmp_path / name, hostile=hostile).run()
        for name, hostile in (("calm", False), ("storm", True))
    ]
    ratio = max(storm.seconds) / max(calm.seconds)
    note(pytestconfig, f"calm: {calm}")
    note(pytestconfig, f"storm: {storm}; ratio of the worst waits {ratio:.2f}")
    check(calm, LONG)
    check(storm, LONG)
    assert storm.hostile.keys() == POISONS.keys()
    assert storm.met.keys() >= {"taken_id", *REPLIES, *RESULTS, *FILES}, "every poison has acted"
    assert ratio <= MAX_RATIO


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
