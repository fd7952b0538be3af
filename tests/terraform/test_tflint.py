"""tflint has nothing to say; what it must not check is in terraform/.tflint.hcl, with a reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.mocked import ENTRY, ROOT

FOLDER = ROOT / ".venv-tflint"  # git-ignored
VERSION = "v0.64.0"


@pytest.fixture(scope="session")
def tflint() -> str:
    """The program; built once with Go, which takes two to five minutes, unless it is installed."""
    if found := shutil.which("tflint", path=f"{FOLDER}{os.pathsep}{os.environ['PATH']}"):
        return found
    command = ["go", "install", f"github.com/terraform-linters/tflint@{VERSION}"]
    environment = os.environ | {"GOBIN": str(FOLDER), "GOFLAGS": "-modcacherw"}
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=900)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"tflint {VERSION} cannot be had here: {error}")
    return str(FOLDER / "tflint")


@pytest.mark.slow  # builds tflint first
def test_tflint_has_nothing_to_say(tflint: str) -> None:
    folders = sorted({file.parent for file in ENTRY.rglob("*.tf") if ".terraform" not in file.parts})
    for folder in folders:
        command = [tflint, f"--chdir={folder}", f"--config={ENTRY / '.tflint.hcl'}", "--format=compact"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), folder


def test_each_rule_that_is_off_says_why() -> None:
    text = Path(ENTRY / ".tflint.hcl").read_text()
    assert text.count("enabled = false") == text.count("\n\n# ")
