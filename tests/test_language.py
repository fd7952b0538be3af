"""The project uses the standard terms, and the checker finds what it should."""

from pathlib import Path

import pytest

from tests import language


def test_no_word_is_used_that_has_a_better_one() -> None:
    assert [str(hit) for hit in language.hits(*language.PLACES)] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("class DoorSettings:", "Door"),
        ("def _of_doors(auth):", "doors"),
        ("# it was tried in\n# vain", "in # vain"),
        ("The token is [hidden].", "[hidden]"),
        ("PICTURES = 3", "PICTURES"),
        ("The job was cancelled.", "cancelled"),
        ("the colours", "colours"),
    ],
)
def test_a_word_is_found_in_any_spelling(text: str, word: str) -> None:
    assert [found for _, found, _ in language.find(text)] == [word]


@pytest.mark.parametrize(
    "text", ["indoors, outdoor, mention", "Status.CANCELLED", 'run["pictures"]', "GET /_runs?pictures=true", "a grid"]
)
def test_what_may_be_said_is_not_found(text: str) -> None:
    assert list(language.find(text)) == []


def test_a_hit_names_file_line_and_replacement() -> None:
    hit = language.Hit("shared/job.py", 7, "door", "caller")
    assert str(hit) == "shared/job.py:7: 'door', say: caller"


def test_the_name_of_a_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "ROOT", tmp_path)
    (tmp_path / "doors.py").write_text('"""Nothing.\n\nTwo doors."""\n')
    assert [(hit.line, hit.word) for hit in language.hits("doors.py")] == [(0, "doors"), (3, "doors")]
