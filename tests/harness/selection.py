"""The parameters of the selected tests, for fixtures that prepare all of them at once."""

from typing import TypeVar

import pytest

T = TypeVar("T")


def selected(session: pytest.Session, kind: type[T]) -> list[T]:
    """Return the parameters of one type, each once, in the order of the tests."""
    items = (item for item in session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec"))
    params = (value for item in items for value in item.callspec.params.values())
    return list(dict.fromkeys(value for value in params if isinstance(value, kind)))
