"""shared/requirements.lock: what it pins."""

from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes.function import ROOT

LOCK = ROOT / "shared/requirements.lock"


def read_lock(file: Path = LOCK) -> dict[str, Requirement]:
    """Name → the requirement that pins it."""
    return by_name(line.removesuffix("\\") for line in file.read_text().splitlines() if not line.startswith((" ", "#")))


def read_direct() -> dict[str, Requirement]:
    """What requirements.txt states, by name."""
    return by_name(line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#"))


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}
