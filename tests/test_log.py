"""Log lines: an unexpected exception is logged with its type and location, and without its message."""

import asyncio
import io
import json
from typing import Any

import pytest

from shared.log import Log


def fail(secret: str) -> None:
    raise ValueError(f"cannot read {secret}")


def logged(error: BaseException, **fields: Any) -> dict[str, Any]:
    """Return the line that is logged for this exception."""
    stream = io.StringIO()
    Log(stream).internal_error(error, "A request failed", **fields)
    (line,) = stream.getvalue().splitlines()
    return dict(json.loads(line))


def test_an_unexpected_exception_is_logged_with_its_type_and_the_line_that_raised_it() -> None:
    with pytest.raises(ValueError, match="sk-secret") as raised:
        fail("sk-secret")
    line = logged(raised.value, path="/jobs")
    number = fail.__code__.co_firstlineno + 1
    assert (line["event"], line["severity"], line["path"]) == ("internal_error", "ERROR", "/jobs")
    assert line["errorType"] == "ValueError"
    assert line["location"].endswith(f"tests/test_log.py:{number}")
    assert line["message"] == f"A request failed: ValueError at {line['location']}."


def test_neither_the_message_nor_the_locals_of_an_exception_are_logged() -> None:
    with pytest.raises(ValueError, match="sk-secret") as raised:
        fail("sk-secret")
    assert "sk-secret" not in json.dumps(logged(raised.value))


async def test_the_first_exception_of_a_task_group_is_logged() -> None:
    async def work() -> None:
        fail("sk-secret")

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
    line = logged(raised.value)
    assert line["errorType"] == "ValueError"
    assert line["location"].endswith(f"tests/test_log.py:{fail.__code__.co_firstlineno + 1}")


def test_an_exception_that_was_never_raised_has_no_location() -> None:
    assert logged(ValueError())["location"] == "unknown"
