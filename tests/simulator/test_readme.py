"""The simulator's README names every setting, endpoint, and control route; tests/vendor compares its fault table."""

import re
from collections.abc import Iterable
from pathlib import Path

from functions.simulator.api import AUTHENTICATED, Endpoint, match
from functions.simulator.receivers import BEHAVIORS
from functions.simulator.settings import CHANGEABLE, VARIABLES, Settings
from tests.simulator.conftest import Vendor

TEXT = (Path(__file__).parents[2] / "functions/simulator/README.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]
ID = {"{index}.{format}": "0.png", "{file}": f"{32 * '0'}.png"}


def in_backticks(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {name: default.strip("`") for name, default, *_ in rows_of(VARIABLES)}
    assert documented.keys() == VARIABLES.keys()
    assert Settings.of(documented) == Settings()


def test_every_setting_that_can_be_changed_is_documented() -> None:
    (row,) = (row for row in ROWS if row[0] == "`POST /_settings`")
    assert set(in_backticks(row[1])) == set(CHANGEABLE)


def test_every_endpoint_is_documented_with_its_route_and_its_key() -> None:
    rows = {name: (in_backticks(routes), key) for name, routes, key, *_ in rows_of(Endpoint)}
    assert rows.keys() == set(Endpoint)
    for name, (routes, key) in rows.items():
        assert key == ("yes" if name in AUTHENTICATED else "no")
        for method, path in (route.split(" ") for route in routes):
            found = match(method, re.sub(r"\{\w+\}", "x", filled(path).partition("?")[0]))
            assert found is not None
            assert found.endpoint == name


def test_every_receiver_is_documented() -> None:
    assert [row[0].strip("`") for row in rows_of(BEHAVIORS)] == [*BEHAVIORS]


async def test_every_documented_control_route_exists(vendor: Vendor) -> None:
    routes = [in_backticks(row[0])[0] for row in ROWS if "/_" in row[0]]
    assert len(routes) == 9
    for route in routes:
        method, path = route.split(" ")
        assert (await vendor.http.request(method, path, json={"fault": "moderation"})).status_code in (200, 422)


def rows_of(names: Iterable[str]) -> list[list[str]]:
    """The rows that describe these names, without the backticks of the name."""
    return [[row[0].strip("`"), *row[1:]] for row in ROWS if row[0].strip("`") in set(names)]


def filled(path: str) -> str:
    for name, value in ID.items():
        path = path.replace(name, value)
    return path
