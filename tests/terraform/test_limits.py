"""Terraform refuses the numbers, and the limits in dollars, with which a function would not start."""

import json
import re
from itertools import product
from pathlib import Path

import pytest

from shared import config
from shared.spending_settings import MAX_DOLLARS
from tests.terraform.mocked import VARIABLES, WHOLE_NUMBERS, terraform
from tests.terraform.test_environment import settings
from tests.terraform.variables_alone import run, variables

REQUIRED = {
    "WIREFLOW_WEBHOOK_ID": "hook",
    "WIREFLOW_API_KEY": "key",
    "JOBS_URL": "firestore://example-project/(default)",
    "IMAGES_URL": "gs://images",
}
NUMBERS = sorted(
    name
    for name, text in VARIABLES.items()
    if re.search("^  type +=  *number$", text, re.M) and name.upper() in settings()
)
# Settings with a lower maximum in Terraform: Cloud Scheduler waits for a window for 30 minutes.
STRICTER = {"poll_window_seconds"}


def faults(values: dict[str, str]) -> list[str]:
    """What a function finds wrong with its settings."""
    try:
        config.load(REQUIRED | values)
    except config.ConfigurationError as error:
        return error.faults
    return []


def is_in_range(name: str, value: float) -> bool:
    """Whether a function accepts a number, apart from what it must be beside other settings."""
    found = [fault for fault in faults({name.upper(): repr(value)}) if fault.startswith(f"{name.upper()}: ")]
    return not [fault for fault in found if "or jobs could expire early" not in fault]


def bounds(name: str) -> tuple[float, float]:
    """The minimum and maximum of a number in Terraform."""
    if name in WHOLE_NUMBERS:
        least, most = WHOLE_NUMBERS[name]
        assert most is not None, f"{name} has no maximum in whole_numbers.tf"
        return least, most
    ((lower, upper),) = re.findall(rf"var\.{name} >= ([\d.]+) && var\.{name} <= (\d+)", VARIABLES[name])
    return float(lower), int(upper)


def test_every_number_of_the_functions_is_compared() -> None:
    assert len(NUMBERS) == 17
    assert set(WHOLE_NUMBERS) - set(NUMBERS) == {
        *("secrets_version", "min_instances", "max_instances", "backup_retention_days", "image_retention_days"),
        "monthly_budget_usd",
    }


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_terraform_accepts_is_one_that_the_functions_accept(name: str) -> None:
    least, most = bounds(name)
    assert is_in_range(name, least)
    assert is_in_range(name, most)
    assert is_in_range(name, most + 1) is (name in STRICTER)


def test_the_limits_of_a_caller_in_dollars_have_the_maximum_of_the_functions() -> None:
    assert re.findall(r"limits\[name\] <= (\d+)", VARIABLES["caller_limits"]) == [str(MAX_DOLLARS)]


# --- limits in dollars, and the prices of the workflows ---------------------------------------------------------------

PRICED = {"mode": "webhook", "id": "1", "pricePerImage": 0.1}
FREE = {"mode": "webhook", "id": "1"}
WORKFLOWS = {
    "none": None,
    "without_default": {"hook": PRICED},
    "default_without_price": {"default": FREE, "hook": PRICED},
    "other_without_price": {"default": PRICED, "hook": FREE},
    "price_null": {"default": PRICED | {"pricePerImage": None}},
    "priced": {"default": PRICED, "hook": PRICED},
    "by_resolution": {"default": PRICED | {"pricePerImage": {"1K": 0.1, "2K": 0.2}}},
}
LIMITS: dict[str, tuple[str, object]] = {
    "day": ("daily_spend_usd", 1),
    "no_day": ("daily_spend_usd", 0),
    "month": ("monthly_spend_usd", 1),
    "minutes": ("spend_per_10_minutes_usd", 0.5),
    "caller_day": ("caller_limits", {"zap": {"perDay": 1}, "shop": {"usdPerDay": 5}}),
    "caller_month": ("caller_limits", {"shop": {"usdPerMonth": 5}}),
    "caller_counts": ("caller_limits", {"zap": {"perDay": 1, "maxQueued": 5}}),
}


def test_limits_in_dollars_are_refused_exactly_where_the_functions_do_not_start(variables_alone: Path) -> None:
    runs = []
    for (limit, (name, value)), (prices, workflows) in product(LIMITS.items(), WORKFLOWS.items()):
        given, text = {name.upper(): json.dumps(value)}, json.dumps(workflows)
        values = [(name, json.dumps(value))]
        if workflows:
            given["WIREFLOW_WORKFLOWS"] = text
            values += [("secrets", '["wireflow_workflows"]'), ("wireflow_workflows", json.dumps(text))]
        refused = ("wireflow_workflows" if workflows else name) if faults(given) else None
        runs.append(run(f"{limit}_{prices}", values, refused))
    # Terraform does not see the workflows of a secret that exists.
    secret = '{ wireflow_workflows = "projects/p/secrets/s" }'
    runs += [
        run(f"{limit}_secret", [(name, json.dumps(value)), ("secret_ids", secret)])
        for limit, (name, value) in LIMITS.items()
    ]
    assert len({text for text in runs if "expect_failures" in text}) == 25
    (variables_alone / "tests/limits.tftest.hcl").write_text("\n".join([variables(), *runs]))
    terraform(variables_alone, "test", "-no-color", "-filter=tests/limits.tftest.hcl")
