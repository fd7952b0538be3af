"""Imports go one way: functions → wiring → {steps, adapters} → runtime → {spending, ports, job, wireflow.errors}."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {
    "batches",
    "auth_settings",
    "callback_settings",
    "callers",
    "copy_errors",
    "setting_values",
    "idempotency",
    "submission",
    "workflows",
    "error_codes",
    "file_names",
    "hooks",
    "job",
    "final_job",
    "job_parts",
    "job_record",
    "job_states",
    "bulk_action",
    "callbacks",
    "listed_job",
    "store_errors",
    "config",
    "locations",
    "spending_settings",
    "log",
    "spending",
    "ports",
    "public_job",
    "problems",
}

# The modules and packages of `shared`, and what each may import of the others.
ALLOWED = {
    "spending": {"error_codes", "spending"},
    "job": {
        "callbacks",
        "error_codes",
        "job_parts",
        "final_job",
        "job_record",
        "job_states",
        "spending.budget",
        "spending.money",
    },
    "final_job": {"job_parts", "job_record"},
    "job_record": {
        "error_codes",
        "job_parts",
        "job_states",
        "listed_job",
        "records",
        "spending.budget",
        "spending.money",
    },
    "records": set(),
    "batches": {"job_states", "spending.money"},
    "job_parts": {"error_codes", "job_states", "spending.money"},
    "bulk_action": set(),
    "callbacks": {"job_parts", "job_states"},
    "job_states": set(),
    "callers": set(),
    "copy_errors": {"error_codes"},
    "setting_values": set(),
    "file_names": {"job", "listed_job"},
    "hooks": {"callbacks", "listed_job"},
    "listed_job": {"callbacks", "error_codes", "job_parts", "job_states", "spending.money"},
    "store_errors": {"job"},
    "error_codes": set(),
    "log": set(),
    "problems": set(),
    "locations": set(),
    "spending_settings": {"auth_settings", "callers", "spending", "workflows"},
    "callback_settings": {"auth_settings", "notifications.signing"},
    "config": {
        "auth_settings",
        "callback_settings",
        "locations",
        "setting_values",
        "spending",
        "spending_settings",
        "wake_up_settings",
        "workflows",
    },
    "ports": {
        "batches",
        "bulk_action",
        "error_codes",
        "hooks",
        "listed_job",
        "job",
        "job_parts",
        "job_states",
        "store_errors",
        "spending",
        "workflows",
    },
    "auth_settings": set(),
    "idempotency": set(),
    "submission": {"idempotency"},
    "runtime": {*BASE, "runtime", "notifications.port", "wireflow.errors"} - {"problems", "public_job", "submission"},
    "workflows": {"spending.money", "workflows"},
    "public_job": {
        "callbacks",
        "callers",
        "error_codes",
        "listed_job",
        "job",
        "job_parts",
        "job_states",
        "spending.money",
        "store_errors",
    },
    "notifications": {"callbacks", "egress", "notifications", "public_job"},
    "steps": {*BASE, "runtime", "steps", "wireflow.errors", "wireflow.refusals", "wireflow.signed_urls"}
    | {"notifications.delivery", "notifications.message", "notifications.port"} - {"problems"},
    "wireflow": {
        "content_coding",
        "error_codes",
        "job",
        "job_parts",
        "job_states",
        "store_errors",
        "ports",
        "wireflow",
        "workflows",
    },
    "jobs": {
        "batches",
        "bulk_action",
        "callbacks",
        "error_codes",
        "hooks",
        "listed_job",
        "job",
        "job_parts",
        "job_states",
        "store_errors",
        "log",
        "ports",
        "spending",
        "jobs",
    },
    "images": {
        "content_coding",
        "copy_errors",
        "error_codes",
        "job",
        "job_parts",
        "job_states",
        "store_errors",
        "ports",
        "egress",
        "images",
    },
    "content_coding": set(),
    "egress": set(),
    "wake_up": {"log", "ports", "wake_up", "wake_up_settings"},
    "wake_up_settings": set(),
    "wiring": {*BASE, "runtime", "notifications", "wireflow", "jobs", "images", "egress", "wake_up"}
    - {"problems", "public_job"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "shared").parts[0].removesuffix(".py")


def is_allowed(name: str, allowed: set[str]) -> bool:
    imported = name.removeprefix("shared.")
    return any(imported == item or imported.startswith(f"{item}.") for item in allowed)


MODULES = sorted(path for path in (ROOT / "shared").rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path):
    part = part_of(path)
    for name in imports(path):
        if name.startswith("functions"):
            pytest.fail(f"{path.name} imports {name}")
        if name.startswith("shared.") and name != f"shared.{part}":
            assert is_allowed(name, ALLOWED[part]), f"{part} must not import {name}"


@pytest.mark.parametrize("function", ["trigger", "poller"])
def test_a_function_imports_only_what_is_deployed_with_it(function: str):
    for path in (ROOT / "functions" / function).rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert roots.isdisjoint({"functions", "click", "rich", "PIL", "tests"}), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_adapters_read_the_clock_or_randomness(path: Path):
    if path.name in {"wiring.py", "sqlite.py"}:  # SQLite waits for other processes in its own thread
        return
    forbidden = {"datetime.now", "time.time", "time.sleep", "random.random", "asyncio.sleep"}
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert calls.isdisjoint(forbidden)


# Each module of a group decodes one kind of body or verifies one kind of credential, and imports no other of its group.
INDEPENDENT = {"parsing": {"events", "forms", "json_body"}, "auth": {"tokens", "signatures", "google_tokens", "cors"}}
# Events and batches are JSON, so other decoders may use this one.
SHARED_DECODERS = {"json_body"}


@pytest.mark.parametrize("package", INDEPENDENT)
def test_decoders_and_verifiers_do_not_import_each_other(package: str):
    for name in INDEPENDENT[package]:
        tree = ast.parse((ROOT / "functions" / "trigger" / package / f"{name}.py").read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
        assert imported.isdisjoint(INDEPENDENT[package] - SHARED_DECODERS), name


@pytest.mark.parametrize("folder", ["steps", "runtime"])
def test_only_the_job_sets_the_fields_of_its_states(folder: str):
    """Steps choose a transition; no step evolves a job or builds a dict of changes."""
    for path in (ROOT / "shared" / folder).rglob("*.py"):
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if call.endswith("evolve") and call != "image.evolve"], path
