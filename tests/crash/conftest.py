"""Run the cases that the selected tests ask for, all at the same time: they mostly wait for leases to expire."""

import asyncio
import random

import pytest

from tests.crash.crash_run import Case, CrashRun, Report
from tests.harness.measurements import note
from tests.harness.selection import selected
from tests.processes.product import Places

SHORT = Case("sqlite", "ignored", kills=4)
LONG = [Case(store, keys, kills=8) for store in ("sqlite", "firestore") for keys in ("honored", "ignored")]

Outcomes = dict[Case, Report | BaseException]


@pytest.fixture(params=[SHORT, *(pytest.param(case, marks=pytest.mark.slow) for case in LONG)], ids=str)
def report(request: pytest.FixtureRequest, outcomes: Outcomes) -> Report:
    """The result of one case."""
    case: Case = request.param
    _servers(case, request)
    outcome = outcomes[case]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of every selected case whose servers are available."""
    seed, runs = request.config.getoption("--seed"), {}
    with pytest.MonkeyPatch.context() as environ:
        for case in selected(request.session, Case):
            try:
                servers = _servers(case, request)
            except pytest.skip.Exception:
                continue
            folder = tmp_path_factory.mktemp(str(case))
            places = Places.cloud(*servers) if servers else Places.local(folder)
            for name, value in places.environ.items():
                environ.setenv(name, value)  # the test reads the store, too
            kills = request.config.getoption("--kills") or case.kills
            runs[case] = CrashRun(case, places, folder, kills, random.Random(f"{seed} {case}"))
        outcomes = asyncio.run(_run_all(runs))
    for outcome in outcomes.values():
        note(request.config, f"crash: {outcome}")
    return outcomes


async def _run_all(runs: dict[Case, CrashRun]) -> Outcomes:
    found = await asyncio.gather(*(run.run() for run in runs.values()), return_exceptions=True)
    return dict(zip(runs, found, strict=True))


def _servers(case: Case, request: pytest.FixtureRequest) -> list[str]:
    """The emulators of the case; skips, with the reason, where one is missing."""
    names = ["firestore_emulator", "storage_server"] if case.store == "firestore" else []
    return [request.getfixturevalue(name) for name in names]
