"""Requests generated from the document, valid and invalid ones, get the responses that it promises."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.openapi.conftest import SCRIPTS, Serve

# Checks that reject documented behavior. Every other check of schemathesis is on.
# https://schemathesis.readthedocs.io/en/stable/reference/configuration/
CONFIGURATION = """
# A canceled job stays readable: DELETE /jobs/{id} cancels, it does not remove.
[checks]
use_after_free.enabled = false

# An erased job is gone, whatever is asked of it.
[[operations]]
include-path = ["/jobs/{id}", "/jobs/{id}/history", "/jobs/{id}/redeliver", "/jobs/{id}/recopy", "/jobs/{id}/retry"]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 429, "5xx"]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 415, 422, 428, 429, "5xx"]

# It is both an erased job and a POST / with the rules below.
[[operations]]
include-path = "/jobs/{id}/next"
[operations.checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 415, 422, 428, 429, "5xx"]

# A valid request may be rejected for what no schema says: the same idempotency key with another request, `image1`
# together with `fromJob`, an incomplete set of ce- headers.
[[operations]]
include-name = "POST /"
[operations.checks]
positive_data_acceptance.enabled = false

# A file has more rules than a schema can say.
[[operations]]
include-name = "POST /batches"
[operations.checks]
positive_data_acceptance.enabled = false

# Where no EVENT_SERVICE_ACCOUNT is set, a sender of events that asks for permission gets 405.
[[operations]]
include-name = "OPTIONS /"
[operations.checks]
positive_data_acceptance.enabled = false

# The playground is for browsers only: others get 405.
[[operations]]
include-name = "GET /"
[operations.checks]
positive_data_acceptance.enabled = false

# The image of a failed or canceled job is 410.
[[operations]]
include-path = ["/jobs/{id}/image", "/jobs/{id}/image/{index}"]
[operations.checks]
positive_data_acceptance.enabled = false

# The names of a URL must agree, the workflow must exist, and a caller has at most 100 hooks.
[[operations]]
include-name = "POST /hooks"
[operations.checks]
positive_data_acceptance.enabled = false

# An action that is paid for needs confirmation and an idempotency key.
[[operations]]
include-name = "POST /jobs/actions"
[operations.checks]
positive_data_acceptance.enabled = false

# A period may be too long, or end before it begins.
[[operations]]
include-path = "/usage"
[operations.checks]
positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    return serve(SIMULATOR_RUN_SECONDS="1")


@pytest.mark.parametrize("path", ["/%0A", "/jobs/a%0A", "/jobs/%0D%0A/image"])
def test_a_path_with_a_line_break_is_not_found(url: str, path: str):
    """The framework's router does not match it and responds in plain text."""
    assert httpx.get(f"{url}{path}").status_code == 404


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        ("examples,fuzzing", 2),
        pytest.param("examples,coverage,fuzzing,stateful", 100, marks=pytest.mark.slow),
    ],
)
def test_schemathesis_finds_nothing(url: str, tmp_path: Path, phases: str, examples: int):
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    options = ["--phases", phases, "--max-examples", str(examples), "--generation-deterministic"]
    check = [SCRIPTS / "schemathesis", "run", f"{url}/openapi.json", "--continue-on-failure", *options]
    found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
