"""Jobs in memory are bounded by their bytes: 300 jobs of 512 KiB once took 520 MiB, the poller has 512."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]
MAX_GROWTH = 160 * MIB  # 64 MiB of jobs, and what reading and writing some of them takes


@pytest.mark.parametrize(
    "state", ["running", *(pytest.param(state, marks=pytest.mark.slow) for state in ("preparing", "queued"))]
)
def test_300_jobs_of_512_kib_stay_below_160_mib(state: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.steps.window_memory", str(tmp_path), state, "300"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=300)
    measured = json.loads(done.stdout)
    assert measured["claimed"] >= 16, "it works on them"
    assert measured["grown"] < MAX_GROWTH, f"{measured['grown'] / MIB:.0f} MiB"
