"""Settings are read from a mapping; one message names every invalid one."""

from pathlib import Path

import pytest

from functions.simulator.settings import VARIABLES, Plan, Settings, Style


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.of({}) == Settings()
    assert Settings.of({"SIMULATOR_PLAN": " ", "SIMULATOR_STATE": ""}) == Settings()


def test_every_setting_is_read() -> None:
    environ = {
        "SIMULATOR_STATE": "/state/runs.jsonl",
        "SIMULATOR_RUN_SECONDS": "10-20",
        "SIMULATOR_HONOUR_KEYS": "false",
        "SIMULATOR_PLAN": "pro",
        "SIMULATOR_STYLE": "wrapped",
        "SIMULATOR_WEBHOOK_ID": "hook",
        "SIMULATOR_EXECUTE_ID": "graph",
        "SIMULATOR_RUN_ID": "saved",
        "SIMULATOR_API_KEY": "sk-other",
        "SIMULATOR_CDN_URL": "http://cdn.test/",
        "SIMULATOR_SLOW_SECONDS": "2.5",
        "SIMULATOR_LARGE_BYTES": "1000",
        "SIMULATOR_SEED": "7",
        "SIMULATOR_CREDITS": "20",
    }
    expected = Settings(
        state=Path("/state/runs.jsonl"),
        run_seconds=(10.0, 20.0),
        honour_keys=False,
        plan=Plan.PRO,
        style=Style.WRAPPED,
        webhook_id="hook",
        execute_id="graph",
        run_id="saved",
        api_key="sk-other",
        cdn_url="http://cdn.test",
        slow_seconds=2.5,
        large_bytes=1000,
        seed=7,
        credits=20.0,
    )
    assert set(environ) == set(VARIABLES)
    assert Settings.of(environ) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SIMULATOR_PLAN", "gold", "must be free, starter, pro, enterprise, or none"),
        ("SIMULATOR_STYLE", "baroque", "must be one of flat, wrapped, nested"),
        ("SIMULATOR_RUN_SECONDS", "-5", "must be seconds such as 15 or 10-20"),
        ("SIMULATOR_CREDITS", "many", "must be a number of credits from 0, or none"),
        ("SIMULATOR_LARGE_BYTES", "1.5", "must be a whole number of bytes"),
    ],
)
def test_an_invalid_setting_says_what_is_expected(name: str, value: str, expected: str) -> None:
    with pytest.raises(ValueError, match="SIMULATOR") as raised:
        Settings.of({name: value})
    assert str(raised.value) == f"{name}={value!r}: {expected}"


def test_one_message_names_every_invalid_setting() -> None:
    wrong = {"SIMULATOR_PLAN": "gold", "SIMULATOR_RUN_SECONDS": "20-10", "SIMULATOR_HONOUR_KEYS": "perhaps"}
    with pytest.raises(ValueError, match="SIMULATOR_PLAN") as raised:
        Settings.of(wrong)
    assert all(name in str(raised.value) for name in wrong)
