"""checkov has nothing to say, and whatever is skipped says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terraform.mocked import ENTRY, ROOT

# In an environment of its own, git-ignored: it brings an hcl2 and dozens of other packages that clash with ours.
ENVIRONMENT = ROOT / ".venv-checkov"
REQUIREMENT = "checkov==3.3.30"


@pytest.fixture(scope="session")
def checkov() -> Path:
    """The program; installed once, which takes a minute or two."""
    program = ENVIRONMENT / "bin/checkov"
    if not program.exists():
        python = str(ENVIRONMENT / "bin/python")
        try:
            subprocess.run(
                [sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True, capture_output=True, timeout=120
            )
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True, capture_output=True, timeout=600
            )
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{REQUIREMENT} cannot be had here: {error}")
    return program


@pytest.mark.slow  # installs checkov first
def test_checkov_has_nothing_to_say_and_every_skip_has_its_reason(checkov: Path, tmp_path: Path) -> None:
    # Outside the repository: it looks for settings of its own from the working directory on.
    command = [str(checkov), "-d", str(ENTRY), "--framework", "terraform", "--skip-download", "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    results = json.loads(done.stdout)["results"]
    assert [f"{item['check_id']} {item['resource']}" for item in results["failed_checks"]] == []
    assert results["parsing_errors"] == []
    assert len(results["passed_checks"]) > 20
    for item in results["skipped_checks"]:
        assert len(item["check_result"]["suppress_comment"].strip()) > 30, item["check_id"]
