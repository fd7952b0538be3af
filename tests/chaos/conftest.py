"""The size of the storm; the two cases, which mostly wait, run at the same time."""

import asyncio

import pytest

from tests.chaos.storm import Report, Storm
from tests.processes.measurements import note

KEYS = ("honoured", "ignored")
JOBS = 60

Outcomes = dict[str, Report | BaseException]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this folder."""
    parser.addoption("--chaos-jobs", type=int, default=JOBS, help="how many prompts are sent in each case")


@pytest.fixture(params=KEYS)
def report(request: pytest.FixtureRequest, outcomes: Outcomes) -> Report:
    """What became of one case."""
    outcome = outcomes[request.param]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    jobs = request.config.getoption("--chaos-jobs", JOBS)
    storms = {keys: Storm(tmp_path_factory.mktemp(keys), jobs, keys) for keys in KEYS}
    found = dict(zip(storms, asyncio.run(_all_of(list(storms.values()))), strict=True))
    for outcome in found.values():
        note(request.config, f"chaos: {outcome}")
    return found


async def _all_of(storms: list[Storm]) -> list[Report | BaseException]:
    return await asyncio.gather(*(storm.run() for storm in storms), return_exceptions=True)
