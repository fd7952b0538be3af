"""Beside receivers that are slow, fail, reset connections, or redirect, the good ones hear of every job."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from shared.notifications.port import DELIVERY_SECONDS
from tests.harness.measurements import note
from tests.processes.product import Places
from tests.storm.receivers_run import BAD, FAILS, GOOD, LONG, Case, ReceiversRun, Report

FORGETFUL, KILLS = "tests/storm/forgetful_poller.py", 3
SHORT = Case(jobs=16, seconds=1, run_seconds="0.5-1", slow_seconds=2)


async def test_good_receivers_hear_of_every_job_beside_bad_ones(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    report = await ReceiversRun(SHORT, Places.local(tmp_path), tmp_path / "storm", receivers=True).run()
    note(pytestconfig, f"receivers: {report}")
    check(report, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "firestore"])
async def test_a_message_that_was_sent_before_a_kill_is_sent_again_with_the_same_id(
    store: str, firestore_emulator: str, storage_server: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    places = Places.local(tmp_path) if store == "sqlite" else Places.cloud(firestore_emulator, storage_server)
    settings = {"SENT": str(tmp_path / "sent"), "LEASE_SECONDS": "20"}
    run = ReceiversRun(SHORT, places, tmp_path / "run", receivers=True, poller=FORGETFUL, **settings)
    report = await run.run()
    note(pytestconfig, f"receivers and {KILLS} kills on {store}: {report}")
    check(report, SHORT)
    live = [
        attempts for receiver in report.expected for attempts in report.got(receiver).values() if "live/" in receiver
    ]
    assert sum(len(attempts) > 1 for attempts in live) >= KILLS


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "firestore"])
async def test_good_receivers_hear_of_200_jobs_beside_bad_ones(
    store: str, firestore_emulator: str, storage_server: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    places = Places.local(tmp_path) if store == "sqlite" else Places.cloud(firestore_emulator, storage_server)
    report = await ReceiversRun(LONG, places, tmp_path / "run", receivers=True).run()
    note(pytestconfig, f"receivers on {store}: {report}")
    check(report, LONG)


def check(report: Report, case: Case) -> None:
    """Check what became of the jobs and of their messages."""
    assert len(report.jobs) == 1 + case.jobs
    for job in report.jobs:
        assert job["status"] == ("failed" if FAILS in job["prompt"] else "succeeded"), job
        assert not job["possibleDuplicate"]
    assert report.missing() == []
    for receiver, jobs in report.expected.items():
        check_messages(report, receiver, jobs)
    assert not report.got("live/followed"), "a redirect was followed"
    assert {name for name, hook in report.hooks.items() if hook["status"] == "ended"} == {"gone/zap"}
    assert report.states(*GOOD) == {"delivered"}
    assert report.states("gone") == {"ended"}
    assert report.states(*{*BAD} - {"slow"}) <= {"ended", "pending"}
    assert report.states("slow") <= ({"delivered", "pending"} if case.slow_seconds < DELIVERY_SECONDS else {"pending"})


def check_messages(report: Report, receiver: str, jobs: set[str]) -> None:
    """Check that a good receiver got one message for each of its jobs, whatever the number of attempts."""
    statuses = {job["id"]: job["status"] for job in report.jobs}
    got = report.got(receiver)
    assert got.keys() == {f"{job}-1-{statuses[job]}" for job in jobs}
    for attempts in got.values():
        assert len({attempt["body"] for attempt in attempts}) == 1, "the same bytes in every attempt"
        for attempt in attempts:
            check_signature(attempt, report.secrets.get(receiver))
            assert json.loads(attempt["body"])


def check_signature(attempt: dict[str, Any], secret: str | None) -> None:
    """Check that an attempt was signed when it was made, some minutes ago: `verify` would say that it is too old."""
    headers = attempt["headers"]
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert abs(datetime.fromisoformat(attempt["receivedAt"]) - at) < timedelta(minutes=1)
    if secret is None:  # of a callbackUrl
        assert "webhook-signature" not in headers
    else:
        assert headers["webhook-signature"] == Webhook(secret).sign(headers["webhook-id"], at, attempt["body"])
