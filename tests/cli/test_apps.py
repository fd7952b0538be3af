"""Locally, a function is the same functions-framework app as in a deployment."""

import io
import os
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from functions.cli.apps import poller_app, simulator_app, trigger_app
from functions.cli.settings import Simulated, function_config, simulator_settings
from shared import wiring
from shared.log import Log


@pytest.fixture
def apps(tmp_path: Path) -> dict[str, ASGIApp]:
    settings = simulator_settings({}, tmp_path)
    simulated = Simulated("http://127.0.0.1:1", settings)
    config = function_config({}, tmp_path, trigger_url="http://127.0.0.1:2", simulated=simulated)
    return {
        "trigger": trigger_app(wiring.dependencies(config, Log(io.StringIO()))),
        "poller": poller_app(wiring.dependencies(config, Log(io.StringIO()))),
        "simulator": simulator_app(settings),
    }


async def get(app: ASGIApp, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:2") as http:
        return await http.get(path)


@pytest.mark.parametrize(("name", "path"), [("trigger", "/health"), ("poller", "/health"), ("simulator", "/_stats")])
async def test_each_app_handles_requests(apps: dict[str, ASGIApp], name: str, path: str):
    assert (await get(apps[name], path)).status_code == 200


@pytest.mark.parametrize("name", ["trigger", "poller", "simulator"])
@pytest.mark.parametrize("path", ["/favicon.ico", "/robots.txt"])
async def test_what_the_framework_handles_itself_is_the_same_here(apps: dict[str, ASGIApp], name: str, path: str):
    response = await get(apps[name], path)
    assert (response.status_code, response.text) == (404, "Not Found")


def test_variables_of_the_framework_have_no_effect_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOG_EXECUTION_ID", "true")
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "event")
    monkeypatch.delenv("FUNCTION_TRIGGER_TYPE", raising=False)
    before = dict(os.environ)
    assert simulator_app(simulator_settings({}, tmp_path))
    assert dict(os.environ) == before
