"""Options, and the sieges of all cases at the same time: most of each is waiting for leases to run out."""

import asyncio
import random

import pytest

from tests.crash.siege import Case, Report, Siege
from tests.processes.measurements import note
from tests.processes.product import Places

CASES = [Case(store, keys) for store in ("sqlite", "firestore") for keys in ("honoured", "ignored")]
KILLS, SEED = 8, 1

Outcomes = dict[Case, Report | BaseException]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this folder."""
    parser.addoption("--kills", type=int, default=KILLS, help="how many SIGKILLs each case suffers")
    parser.addoption("--seed", type=int, default=SEED, help="of the moments and the victims of the kills")


@pytest.fixture(params=CASES, ids=str)
def report(request: pytest.FixtureRequest, outcomes: Outcomes) -> Report:
    """What became of one case."""
    case: Case = request.param
    _servers(case, request)
    outcome = outcomes[case]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of every case that some test asks for and whose servers are there."""
    kills, seed = request.config.getoption("--kills", KILLS), request.config.getoption("--seed", SEED)
    sieges = {}
    with pytest.MonkeyPatch.context() as environ:
        for case in _asked_for(request):
            try:
                servers = _servers(case, request)
            except pytest.skip.Exception:
                continue
            folder = tmp_path_factory.mktemp(str(case))
            places = Places.cloud(*servers) if servers else Places.local(folder)
            for name, value in places.environ.items():
                environ.setenv(name, value)  # for a look into the store
            sieges[case] = Siege(case, places, folder, kills, random.Random(f"{seed} {case}"))
        outcomes = asyncio.run(_all_of(sieges))
    for outcome in outcomes.values():
        note(request.config, f"crash: {outcome}")
    return outcomes


async def _all_of(sieges: dict[Case, Siege]) -> Outcomes:
    found = await asyncio.gather(*(siege.run() for siege in sieges.values()), return_exceptions=True)
    return dict(zip(sieges, found, strict=True))


def _asked_for(request: pytest.FixtureRequest) -> list[Case]:
    """The cases of the tests that were selected."""
    calls = [
        item.callspec
        for item in request.session.items
        if isinstance(item, pytest.Function) and "report" in item.fixturenames
    ]
    # Other folders have reports of their own.
    asked = (call.params.get("report") for call in calls)
    return [case for case in dict.fromkeys(asked) if isinstance(case, Case)]


def _servers(case: Case, request: pytest.FixtureRequest) -> list[str]:
    """What the case needs beside a folder; skips, by name, where one is missing."""
    names = ["firestore_emulator", "storage_server"] if case.store == "firestore" else []
    return [request.getfixturevalue(name) for name in names]
