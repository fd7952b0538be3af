"""Run the selected cases, all at the same time: they mostly wait."""

import asyncio

import pytest

from tests.chaos.chaos_run import Case, ChaosRun, Report
from tests.harness.measurements import note
from tests.harness.selection import selected

SHORT = Case("ignored", jobs=12)
LONG = [Case(keys, jobs=60) for keys in ("honored", "ignored")]

Outcomes = dict[Case, Report | BaseException]


@pytest.fixture(params=[SHORT, *(pytest.param(case, marks=pytest.mark.slow) for case in LONG)], ids=str)
def report(request: pytest.FixtureRequest, outcomes: Outcomes) -> Report:
    """The result of one case."""
    outcome = outcomes[request.param]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of every selected case."""
    runs = {}
    for case in selected(request.session, Case):
        jobs = request.config.getoption("--chaos-jobs") or case.jobs
        runs[case] = ChaosRun(tmp_path_factory.mktemp(str(case)), jobs, case.keys)
    found = dict(zip(runs, asyncio.run(_run_all(list(runs.values()))), strict=True))
    for outcome in found.values():
        note(request.config, f"chaos: {outcome}")
    return found


async def _run_all(runs: list[ChaosRun]) -> list[Report | BaseException]:
    return await asyncio.gather(*(run.run() for run in runs), return_exceptions=True)
