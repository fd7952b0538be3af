"""The benches of acceptance run: each figure is measured for a moment, without targets."""

import shutil
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("part", ["accept", "claims"])
def test_a_short_bench_prints_its_table(part: str) -> None:
    if not (shutil.which("gcloud") and shutil.which("java")):
        pytest.skip("the Firestore emulator needs gcloud and java")
    command = [sys.executable, "-m", "tests.bench", part, "--short"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "x plain" in done.stdout
