"""The evaluator of filters that the tests rely on does what Google's documentation says."""

import pytest

from tests.terraform.logging_query import matches

ENTRY = {"severity": "ERROR", "jsonPayload": {"event": "window", "oldestDueSeconds": 400.5, "gate": None}}


@pytest.mark.parametrize(
    "query",
    [
        'severity="ERROR"',
        'jsonPayload.event = "window" AND jsonPayload.oldestDueSeconds > 400',
        'jsonPayload.event=("job_failed" OR "window")',
        'NOT jsonPayload.event="job_failed"',
        'NOT jsonPayload.errorCode=("moderation" OR "canceled")',
        '(severity="INFO" OR severity="ERROR") AND jsonPayload.oldestDueSeconds<=400.5',
        'severity="INFO" OR severity="ERROR" AND jsonPayload.event="window"',
        'severity!="INFO"',
    ],
)
def test_a_query_that_is_true_matches(query: str) -> None:
    assert matches(query, ENTRY)


@pytest.mark.parametrize(
    "query",
    [
        'severity="error"',
        'jsonPayload.event="window" AND jsonPayload.oldestDueSeconds>401',
        'jsonPayload.event=("job_failed" OR "job_stored")',
        'NOT severity="ERROR"',
        "jsonPayload.queueLength>=0",
        'jsonPayload.gate="rate_limited"',
        "jsonPayload.event>=0",
    ],
)
def test_a_query_that_is_not_true_does_not(query: str) -> None:
    assert not matches(query, ENTRY)


@pytest.mark.parametrize("query", ['severity="ERROR', "severity=", 'a="b" "c"', "(a=1", 'a=~"b"', 'a:"b"'])
def test_a_query_of_another_part_of_the_language_is_refused(query: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        matches(query, ENTRY)
