"""`control` acts on the job store of `serve`, or on that of JOBS_URL."""

import json
from pathlib import Path

import pytest

from shared.jobs.sqlite import SqliteJobs
from shared.spending.gate_state import ResumeOn
from tests.cli.command import Command
from tests.jobs.places import NOW, a_job


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
    resumed = [command.run("control", "resume", JOBS_URL=url) for _ in range(2)]
    assert [(one.code, one.out) for one in resumed] == [
        (0, "Resumed: jobs may start again.\n"),
        (0, "Nothing was suspended.\n"),
    ]
    assert (await store.read_gate()).suspension is None
    await store.close()


async def test_json_is_the_status_after_the_command(command: Command) -> None:
    url = f"sqlite:///{command.folder}/deployed.db"
    paused = json.loads(command.run("control", "pause", "--json", JOBS_URL=url).out)
    (suspension,) = paused["suspensions"]
    assert (suspension["workflow"], suspension["reason"], suspension["until"]) == (None, "paused", None)
    assert json.loads(command.run("control", "status", "--json", JOBS_URL=url).out) == paused
    assert json.loads(command.run("control", "resume", "--json", JOBS_URL=url).out)["suspensions"] == []
    store = SqliteJobs(command.folder / "deployed.db")
    job = await store.create(a_job("0" * 31 + "1", queue_at=NOW, due_at=NOW))
    await store.close()
    assert json.loads(command.run("control", "trial", job.id, "--json", JOBS_URL=url).out) == {"id": job.id}


def test_without_a_store_it_says_what_to_do(command: Command) -> None:
    result = command.run("control", "status")
    assert (result.code, "Start `serve` first, or set JOBS_URL." in result.err) == (2, True)


def test_a_trial_needs_a_job(command: Command) -> None:
    result = command.run("control", "trial", "0" * 32, JOBS_URL=f"sqlite:///{command.folder}/jobs.db")
    assert (result.code, "There is no job with this ID." in result.err) == (2, True)
