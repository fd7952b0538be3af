"""shared/requirements.lock is current: it pins what requirements.txt states, all that this needs, and nothing else."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.lock import LOCK, read_direct, read_lock
from tests.processes.function import ROOT

INSTALL = "this environment differs from what ships: pip install -r shared/requirements.lock"


def test_what_is_stated_is_locked_with_the_same_pin() -> None:
    locked = read_lock()
    assert {name: locked[name].specifier for name in read_direct()} == {
        name: stated.specifier for name, stated in read_direct().items()
    }


def test_everything_is_pinned_with_hashes_and_nothing_says_where_it_is_from() -> None:
    text = re.sub(r"^ *#.*\n", "", LOCK.read_text(), flags=re.MULTILINE)
    entry = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n")
    assert entry.sub("", text) == ""
    assert "://" not in LOCK.read_text()


def test_what_this_environment_needs_is_locked_in_the_installed_versions() -> None:
    needed = with_dependencies(read_direct())
    here = {name: one for name, one in read_lock().items() if one.marker is None or one.marker.evaluate()}
    assert here.keys() == needed
    assert {name: f"=={metadata.version(name)}" for name in needed} == {
        name: str(one.specifier) for name, one in here.items()
    }, INSTALL


def test_ci_installs_it_first_and_by_its_hashes() -> None:
    installs = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("pip install")]
    assert shlex.split(installs[0])[-3:] == ["--require-hashes", "--requirement", "shared/requirements.lock"]


@pytest.mark.slow
def test_compiling_it_again_changes_nothing(tmp_path: Path) -> None:
    """Needs the package index."""
    (tmp_path / "shared").mkdir()
    for file in (ROOT / "requirements.txt", LOCK):
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    command = LOCK.read_text().splitlines()[1].removeprefix("#    ")
    assert command.startswith("uv pip compile --universal ")
    # pip uses the certificates of the system, too: a proxy in front of the index may need them.
    options = ("--quiet", "--native-tls")
    subprocess.run([sys.executable, "-m", *shlex.split(command), *options], cwd=tmp_path, check=True)
    assert (tmp_path / "shared/requirements.lock").read_text() == LOCK.read_text()


def with_dependencies(stated: dict[str, Requirement]) -> set[str]:
    """The names of these distributions and of all that they need here, with the extras that are asked for."""
    found: set[tuple[str, str]] = set()
    waiting = list(stated.values())
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in {"", *one.extras} - {extra for known, extra in found if known == name}:
            found.add((name, extra))
            needed = [Requirement(text) for text in metadata.requires(name) or []]
            waiting += [need for need in needed if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}
