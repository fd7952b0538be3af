"""`control` acts on the job store of `serve`, or on that of JOBS_URL."""

from pathlib import Path

import pytest

from shared.jobs.sqlite import SqliteJobs
from shared.spending.gate_state import ResumeOn
from tests.cli.command import Command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


async def test_pause_status_and_resume(command: Command) -> None:
    url = f"sqlite:///{command.folder}/deployed.db"
    assert command.run("control", "status", JOBS_URL=url).out.startswith("starts            not suspended")
    assert command.run("control", "pause", JOBS_URL=url).code == 0
    store = SqliteJobs(command.folder / "deployed.db")
    suspension = (await store.read_gate()).suspension
    assert suspension
    assert suspension.resume_on is ResumeOn.OPERATOR
    assert "all jobs: paused." in command.run("control", "status", JOBS_URL=url).out
    assert command.run("control", "resume", JOBS_URL=url).code == 0
    assert (await store.read_gate()).suspension is None
    await store.close()


def test_without_a_store_it_says_what_to_do(command: Command) -> None:
    result = command.run("control", "status")
    assert (result.code, "Start `serve` first, or set JOBS_URL." in result.err) == (2, True)


def test_a_trial_needs_a_job(command: Command) -> None:
    result = command.run("control", "trial", "0" * 32, JOBS_URL=f"sqlite:///{command.folder}/jobs.db")
    assert (result.code, "There is no job with this ID." in result.err) == (2, True)
