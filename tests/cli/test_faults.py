"""`run "… [fault:NAME]"` for the simulator's faults: the right exit code, and a sentence that a person can act on.

All but three are marked slow. AT_ONCE of them run at the same time, because most of each is waiting. The table of
consequences says how a job ends; here it also has to end while a person looks on.
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
from tests.cli.command import Command, Ended
from tests.vendor.consequences import CONSEQUENCES, waits

ONE_PER_EXIT_CODE = ("redirect", "failed", "insufficient_credits")
AT_ONCE = 6
SECONDS = 240.0  # a busy machine is no fault of the product
# So short that whoever tries a fault sees its end; a late answer must still be later than the 8 s of a paid call.
SHORT = {
    "LEASE_SECONDS": "20",
    "RUN_DEADLINE_SECONDS": "8",
    "MAX_IMAGE_BYTES": "1000000",
    "SIMULATOR_LARGE_BYTES": "2000000",
    "SIMULATOR_SLOW_SECONDS": "12",
    "SIMULATOR_RUN_SECONDS": "1",
}
# The details endpoint, which knows better than the polls, is first asked after 60 s.
OTHERWISE = {"stuck": {"RUN_DEADLINE_SECONDS": "120"}}
# Longer than anybody looks on: what the operator has to mend, and copies, which are tried for ten minutes or a day.
IN_LINE = {name for name, row in CONSEQUENCES.items() if row == waits(str(row.code))}
COPYING = {name for name, row in CONSEQUENCES.items() if row.code in {ErrorCode.IMAGE_EXPIRED, ErrorCode.COPY_FAILED}}
GO_ON = IN_LINE | COPYING
CHARGED = {"yes": "It was charged.", "no": "It was not charged.", "unknown": "It may have been charged."}

Ends = dict[str, Future[Ended]]


@pytest.fixture(scope="module")
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    """Of every fault that was asked for, the slowest first; they run side by side, the tests wait for their own."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    asked = [item.callspec.params["fault"] for item in items if "ends" in item.fixturenames]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        first = sorted(asked, key=lambda name: name not in OTHERWISE)
        yield {name: pool.submit(end_of, name, tmp_path_factory.mktemp(name)) for name in first}
    finally:
        pool.shutdown(cancel_futures=True)


def end_of(fault: str, folder: Path) -> Ended:
    timeout = "2" if fault in IN_LINE else "12" if fault in COPYING else str(SECONDS)
    settings = SHORT | OTHERWISE.get(fault, {})
    arguments = ["run", f"a cat [fault:{fault}]", "--json", "--out", "pictures", "--timeout", timeout]
    with Command(folder).started(*arguments, **settings) as process:
        out, err = process.communicate(timeout=2 * SECONDS)
    return Ended(process.returncode, out, err)


@pytest.mark.parametrize(
    "fault", [name if name in ONE_PER_EXIT_CODE else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_it_ends_with_the_right_exit_code_and_says_what_to_do(fault: str, ends: Ends):
    ended = ends[fault].result()
    job, last_words = json.loads(ended.out), ended.err.rpartition("Error: ")[2]
    if fault in GO_ON:
        assert ended.code == 3, ended.err
        says_what_it_waits_for(job, str(CONSEQUENCES[fault].code), last_words)
    elif CONSEQUENCES[fault].status == "failed":
        assert ended.code == 1, ended.err
        says_why_it_failed(job, str(CONSEQUENCES[fault].code), last_words)
    else:
        assert ended.code == 0, ended.err
        names_every_file(job, ended.err, FAULTS[fault].pictures)


def says_what_it_waits_for(job: dict[str, Any], code: str, words: str) -> None:
    known = EXPLANATIONS[ErrorCode(code)]
    assert job["waitReason"] == (code if job["status"] == "queued" else None)
    assert f"job {job['id']} is still {job['status']}" in words
    assert "--timeout" in words
    assert known.hint in words
    assert known.message in words or job["status"] == "copying"  # the image may still come: the code is not final


def says_why_it_failed(job: dict[str, Any], code: str, words: str) -> None:
    assert job["errorCode"] == code
    for told in (code, job["errorMessage"], EXPLANATIONS[ErrorCode(code)].hint, CHARGED[job["errorCharged"]]):
        assert told in words
    assert job["requestId"] in words or "requestId" not in job["errorHint"]


def names_every_file(job: dict[str, Any], err: str, pictures: int) -> None:
    assert job["status"] == "succeeded"
    written = [line for line in err.splitlines() if line.startswith(f"pictures{os.sep}")]
    assert len(written) == job["imageCount"] == pictures


def test_the_three_have_three_exit_codes() -> None:
    succeeded = {name for name, row in CONSEQUENCES.items() if row.status == "succeeded"}
    kinds = (succeeded, CONSEQUENCES.keys() - succeeded - GO_ON, GO_ON)
    assert all(name in kind for name, kind in zip(ONE_PER_EXIT_CODE, kinds, strict=True))
