"""How long a fresh interpreter takes until a function could answer, and which imports that is spent on."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench.row import Row
from tests.processes.function import ROOT

RUNS = 5
LISTED = 10
SETTINGS = {
    "WIREFLOW_WEBHOOK_ID": "hook",
    "WIREFLOW_API_KEY": "sk-key",
    "JOBS_URL": "firestore://project/(default)",
    "IMAGES_URL": "gs://bucket",
    "LOG_EXECUTION_ID": "false",
}
BARE = """
import functions_framework.aio

@functions_framework.aio.http
async def bare(request):
    return {"status": "ok"}
"""
LOAD = "from functions_framework.aio import create_asgi_app; create_asgi_app({target!r}, {source!r})"
# What the first request adds: the clients are made, not yet connected.
FIRST_REQUEST = "; from shared import wiring; wiring.dependencies(wiring.configuration())"


def measure(folder: Path) -> list[Row]:
    """Seconds, the best of a few runs: the others show what else the machine did."""
    source = folder / "main.py"
    source.write_text(BARE)
    bare = seconds(LOAD.format(target="bare", source=str(source)))
    rows = [Row("a bare function: import", bare, "s")]
    for name in ("trigger", "poller"):
        code = LOAD.format(target=name, source=str(ROOT / "functions" / name / "main.py"))
        rows.append(Row(f"{name}: import", seconds(code), "s", bare))
        rows.append(Row(f"{name}: import, and what the first request makes", seconds(code + FIRST_REQUEST), "s", bare))
    return rows + imports(code=LOAD.format(target="trigger", source=str(ROOT / "functions/trigger/main.py")))


def seconds(code: str) -> float:
    return min(_once(code) for _ in range(RUNS))


def imports(code: str) -> list[Row]:
    """The packages that take longest, from the interpreter's own clock."""
    report = _python("-X", "importtime", "-c", code + FIRST_REQUEST).stderr
    spent: Counter[str] = Counter()
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \| +(\S+)", report, re.MULTILINE):
        spent[_package(name)] += int(own)
    return [Row(f"  trigger imports {name}", own / 1000, "ms") for name, own in spent.most_common(LISTED)]


def _package(module: str) -> str:
    """Google's packages share the first part of their names."""
    first, *rest = module.split(".")
    return ".".join([first, *rest[:1]]) if first == "google" else first


def _once(code: str) -> float:
    began = time.perf_counter()
    _python("-c", code)
    return time.perf_counter() - began


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **SETTINGS}
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True, check=True)
