"""The README is true: what follows from the code stands there as the code has it."""

import re
from pathlib import Path

import pytest

from shared.log import Event
from tests import readme

TEXT = readme.README.read_text()


@pytest.mark.parametrize("name", readme.PARTS)
def test_a_part_that_follows_from_the_code_is_as_the_code_has_it(name: str):
    assert readme.part(name, TEXT) == readme.PARTS[name]().strip(), "run python -m tests.readme"


def test_every_file_says_what_it_is_for():
    assert "|  |" not in readme.layout()


def test_every_log_event_is_named():
    assert [event for event in Event if not re.search(rf"\b{event}\b", TEXT)] == []


def test_every_file_that_is_linked_is_there():
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", TEXT):
        assert Path(readme.ROOT, target).exists(), target
