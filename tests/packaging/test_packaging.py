"""What is deployed works on its own: a function's files at the root, `shared/`, and what is locked."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from functions.trigger.responses.assets import PAGE_ASSETS, asset_url
from tests.packaging.lock import LOCK, read_lock
from tests.processes.function import ROOT, Function

FUNCTIONS = ("trigger", "poller")
# As on the platform; nothing of it is called.
SETTINGS = {
    "K_SERVICE": "images",
    "WIREFLOW_WEBHOOK_ID": "hook",
    "WIREFLOW_API_KEY": "sk-key",
    "JOBS_URL": "firestore://project/(default)",
    "IMAGES_URL": "gs://bucket",
}
LOCAL_ONLY = ("functions", "tests", "PIL", "click", "rich")


@pytest.fixture(params=FUNCTIONS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def package(name: str, tmp_path: Path) -> Path:
    """The tree of a function's zip, unpacked outside the repository."""
    folder = tmp_path / "workspace"
    files = {file: file.relative_to(ROOT / "functions" / name) for file in deployed(ROOT / "functions" / name)}
    files |= {file: file.relative_to(ROOT) for file in deployed(ROOT / "shared")}
    for file, place in (files | {LOCK: Path("requirements.txt")}).items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / place)
    assert ROOT not in folder.parents
    return folder


def deployed(folder: Path) -> Iterator[Path]:
    """The files of a folder that terraform/modules/images/functions.tf packs."""
    return (file for file in folder.rglob("*") if file.suffix in {".py", ".json", ".html", ".css", ".js"})


@pytest.fixture
def running(name: str, package: Path, tmp_path: Path) -> Iterator[Function]:
    function = Function(name, tmp_path, SETTINGS, folder=package)
    try:
        yield function.start()
    finally:
        function.kill()


def test_it_answers_where_the_repository_is_not(name: str, running: Function):
    health = httpx.get(f"{running.url}/health", trust_env=False)
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    status, code = {"trigger": (422, "invalid_field"), "poller": (404, "not_found")}[name]
    refused = httpx.post(f"{running.url}/{'' if name == 'trigger' else 'nowhere'}", json={}, trust_env=False)
    assert (refused.status_code, refused.json()["errorCode"]) == (status, code)


@pytest.mark.parametrize("name", ["trigger"], indirect=True)
def test_the_data_that_it_reads_is_deployed_too(running: Function):
    assert httpx.get(f"{running.url}/openapi.json", trust_env=False).json()["openapi"] == "3.1.0"
    page = httpx.get(f"{running.url}/", headers={"Accept": "text/html"}, trust_env=False)
    assert (page.status_code, page.headers["content-type"]) == (405, "text/html; charset=utf-8")
    for path in ("/embed.js", *map(asset_url, PAGE_ASSETS)):
        found = httpx.get(f"{running.url}{path}", trust_env=False)
        assert (found.status_code, "max-age" in found.headers["cache-control"]) == (200, True)


def test_every_shared_module_can_be_imported_there(package: Path):
    modules = [".".join(file.relative_to(package).with_suffix("").parts) for file in package.glob("shared/**/*.py")]
    code = f"import importlib\nfor name in {modules}: print(importlib.import_module(name).__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=package, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(line).is_relative_to(package) for line in done.stdout.splitlines())


def test_it_imports_nothing_that_only_runs_locally(package: Path):
    assert not {name for name in imports(package) if name.partition(".")[0] in LOCAL_ONLY}


def test_what_it_imports_is_in_its_requirements(package: Path):
    installed = metadata.packages_distributions()
    shipped = read_lock(package / "requirements.txt").keys()
    outside = {name.partition(".")[0] for name in imports(package)} - set(sys.stdlib_module_names) - {"shared"}
    missing = {top for top in outside if not {canonicalize_name(dist) for dist in installed.get(top, [])} & shipped}
    assert not missing


def imports(package: Path) -> set[str]:
    """Every absolute name that some module of the package imports, at its start or later."""
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module)
    return found
