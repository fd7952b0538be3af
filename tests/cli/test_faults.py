"""`run "… [fault:NAME]"` for the simulator's faults: the right exit code, and a message that says what to do.

All but three are marked slow. AT_ONCE of them run at the same time, because most of each is waiting. The table of
consequences says how each job ends; here it also has to end within minutes.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from functions.simulator.faults import FAULTS
from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.public_job import EXPIRED
from tests.cli.command import Command, Result
from tests.vendor.consequences import CONSEQUENCES, waits

ONE_PER_EXIT_CODE = ("several_images", "failed", "insufficient_credits")
AT_ONCE = 6
UNFINISHED_SECONDS = 20  # on a busy machine a command takes some before its job is accepted
SECONDS = 240.0  # generous, for a busy machine
# Short, but a late response must still come after the 8 s of a paid call.
SHORT = {
    "LEASE_SECONDS": "20",
    "RUN_DEADLINE_SECONDS": "8",
    "MAX_IMAGE_BYTES": "1000000",
    "SIMULATOR_LARGE_BYTES": "2000000",
    "SIMULATOR_SLOW_SECONDS": "12",
    "SIMULATOR_RUN_SECONDS": "1",
}
# The details endpoint, which knows the true status, is first called after 60 s.
EXCEPTIONS = {"stuck": {"RUN_DEADLINE_SECONDS": "120"}}
# These take too long: what the operator has to fix, and copies, which are retried for ten minutes or a day.
QUEUED = {name for name, row in CONSEQUENCES.items() if row == waits(str(row.code))}
COPYING = {name for name, row in CONSEQUENCES.items() if row.code in {ErrorCode.IMAGE_EXPIRED, ErrorCode.COPY_FAILED}}
UNFINISHED = QUEUED | COPYING
ADVICE = {
    ErrorCode.IMAGE_EXPIRED: EXPIRED,
    ErrorCode.COPY_FAILED: "leads to an address that is not allowed",
}  # while copying is retried
CHARGED = {"yes": "It was charged.", "no": "It was not charged.", "unknown": "It may have been charged."}

Results = dict[str, Future[Result]]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Start `run` for every selected fault, the slowest first. They run side by side; each test waits for its own."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    selected = [item.callspec.params["fault"] for item in items if "results" in item.fixturenames]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        first = sorted(selected, key=lambda name: name not in EXCEPTIONS)
        yield {name: pool.submit(run_with, name, tmp_path_factory.mktemp(name)) for name in first}
    finally:
        pool.shutdown(cancel_futures=True)


def run_with(fault: str, folder: Path) -> Result:
    timeout = str(UNFINISHED_SECONDS if fault in UNFINISHED else SECONDS)
    settings = SHORT | EXCEPTIONS.get(fault, {})
    arguments = ["run", f"a cat [fault:{fault}]", "--json", "--out", "images", "--timeout", timeout]
    with Command(folder).started(*arguments, **settings) as process:
        out, err = process.communicate(timeout=2 * SECONDS)
    return Result(process.returncode, out, err)


@pytest.mark.parametrize(
    "fault", [name if name in ONE_PER_EXIT_CODE else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_the_exit_code_is_right_and_the_message_says_what_to_do(fault: str, results: Results):
    result = results[fault].result()
    job, message = json.loads(result.out), result.err.rpartition("Error: ")[2]
    if fault in UNFINISHED:
        assert result.code == 3, result.err
        check_unfinished(job, str(CONSEQUENCES[fault].code), message)
    elif CONSEQUENCES[fault].status == "failed":
        assert result.code == 1, result.err
        check_failed(job, str(CONSEQUENCES[fault].code), message)
    else:
        assert result.code == 0, result.err
        check_succeeded(job, result.err, FAULTS[fault].min_images)


def check_unfinished(job: dict[str, Any], code: str, message: str) -> None:
    known = EXPLANATIONS[ErrorCode(code)]
    assert job["waitReason"] == (code if job["status"] == "queued" else None)
    assert f"The job {job['id']} is still {job['status']}" in message
    assert "--timeout" in message
    assert job["message"] in message
    if job["status"] == "queued":
        assert known.message in message
        assert known.wait_hint in message
    else:  # the code is not final: the image may still be copied
        assert "Copying is retried automatically. The " in message
        assert ADVICE[ErrorCode(code)] in message


def check_failed(job: dict[str, Any], code: str, message: str) -> None:
    assert job["errorCode"] == code
    for text in (code, job["errorMessage"], EXPLANATIONS[ErrorCode(code)].failed_hint, CHARGED[job["errorCharged"]]):
        assert text in message
    assert job["requestId"] in message or "requestId" not in job["errorHint"]


def check_succeeded(job: dict[str, Any], err: str, images: int) -> None:
    assert job["status"] == "succeeded"
    written = [line for line in err.splitlines() if line.startswith(f"images{os.sep}")]
    assert len(written) == job["imageCount"] == images


def test_the_three_have_three_exit_codes() -> None:
    succeeded = {name for name, row in CONSEQUENCES.items() if row.status == "succeeded"}
    kinds = (succeeded, CONSEQUENCES.keys() - succeeded - UNFINISHED, UNFINISHED)
    assert all(name in kind for name, kind in zip(ONE_PER_EXIT_CODE, kinds, strict=True))
