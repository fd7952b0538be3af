"""`usage` prints the usage of a job store."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.job import Job
from shared.job_states import Status
from shared.jobs.sqlite import SqliteJobs
from shared.spending.money import Cost, CostSource
from tests.cli.command import Command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


async def store_jobs(path: Path, count: int) -> None:
    store, day = SqliteJobs(path), datetime(2026, 3, 1, 12, tzinfo=UTC)
    for number in range(count):
        await store.create(
            Job(
                id=f"{number:032x}",
                status=Status.SUCCEEDED,
                prompt="a cat",
                caller="zap",
                created_at=day + timedelta(seconds=number),
                expire_at=day,
                give_up_at=day,
                cost=Cost(micros=130_000, source=CostSource.PRICE),
            )
        )
    await store.close()


async def test_csv_has_a_header_and_a_row_for_each_key(command: Command) -> None:
    await store_jobs(command.folder / "jobs.db", 3)
    url = f"sqlite:///{command.folder}/jobs.db"
    options = ("--from", "2026-03-01", "--to", "2026-03-02", "--group-by", "caller")
    result = command.run("usage", *options, "--csv", JOBS_URL=url)
    (row,) = csv.DictReader(result.out.splitlines())
    assert (row["key"], row["jobs"], row["cost"], row["currency"]) == ("zap", "3", "0.39", "USD")
    assert "zap" in command.run("usage", *options, JOBS_URL=url).out
    found = json.loads(command.run("usage", *options, "--json", JOBS_URL=url).out)
    assert list(found) == ["from", "to", "groupBy", "rows"]
    assert [(row["key"], row["jobs"], row["cost"]["amount"]) for row in found["rows"]] == [("zap", 3, 0.39)]
    both = command.run("usage", "--csv", "--json", JOBS_URL=url)
    assert (both.code, "--csv and --json cannot be used together" in both.err) == (2, True)


def test_an_invalid_range_is_named(command: Command) -> None:
    url = f"sqlite:///{command.folder}/jobs.db"
    result = command.run("usage", "--from", "2026-03-02", "--to", "2026-03-01", JOBS_URL=url)
    assert (result.code, "--from must not be after --to" in result.err) == (2, True)
