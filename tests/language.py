"""Find words that the project does not use: `python -m tests.language [PATH...]` lists them and exits with 1.

It reads identifiers, comments, docstrings, and messages alike: `_of_doors` and `DoorSettings` are the word "door".
Without a path it reads everything in `PLACES`. Only words with a clear replacement are listed; the rest is for review.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("README.md", "functions", "shared", "terraform", "tests")
SUFFIXES = {".css", ".example", ".hcl", ".html", ".js", ".json", ".md", ".py", ".tf"}
SKIPPED = (
    "tests/language.py",  # lists the words
    "tests/test_language.py",
    "tests/samples",  # written by Wireflow and by earlier versions
)

# What not to say (a regular expression over whole words; a space also matches a line break) and what to say instead.
WORDS = {
    "doors?": "authentication, credential, or caller",
    "intake": "parsing",
    "whoever": "the caller, the user, or anyone who",
    "nobody": "no one, or name who it is",
    "lest": "so that … not",
    "in vain": "failed, or without effect",
    "mend(s|ed|ing)?": "fix",
    "for ever": "forever, or until when",
    "of today": "current",
    "stands(?! for)": "is",
    "by itself": "automatically, or alone",
    "pictures?": "image",
    "overtaken": "WriteConflict",
    "errorcodes": "error_codes",
    "closures?": "suspension",
    "reopen(s|ed|ing|ings)?": "resume",
    "shut(?! ?downs?)": "suspended, or closed",
    "(give|gives|given|giving|gave) back": "release, or return",
    "(wait|waits|waited|waiting|place|places|are|is|stand|standing) in line": "in the queue, or queued",
    "once more": "again, or retry",
    "repetitions?": "retry",
    "no turn": "Throttled",
    "request budget": "RequestLimiter",
    "for good": "permanently, or final",
    "dearest": "maximum, or most expensive",
    "usual": "default",
    "arrivals": "rate limit, or quota usage",
    "strikes?": "fault schedule",
    "stories": "fault schedule",
    "tick(s|ed|ing|er)?": "window",
    "hiding": "redaction",
    r"\[hidden\]": "[REDACTED]",
    # American spelling
    "cancelled": "canceled",
    "(water)?colour(s|ed)?": "color",
    "centre(s|d)?": "center",
    "grey": "gray",
    "honour(s|ed|ing)?": "honor",
    "neighbours?": "neighbor",
    "behaviours?": "behavior",
    "favour(s|ed|ite)?": "favor",
    "licence": "license",
    "defence": "defense",
    "catalogue": "catalog",
    "artefacts?": "artifact",
    "labelled": "labeled",
    "(mis)?spelt": "spelled",
    "learnt": "learned",
    "whilst": "while",
    "(author|initial|normal|organ|recogn|serial|summar)is(e|es|ed|ing|able|ation)": "-ize",
}

# Exceptions: the text that may stay, and why.
ALLOWED = {
    r"\bCANCELLED\b|\bCancelled\b|flat-cancelled": "Wireflow's status",
    r"CancelledError|\.cancelled\(\)": "asyncio",
    r"""["'`:]cancelled["'`\]]""": "a fault of the simulator: [fault:cancelled]",
    r"https?://\S+": "URLs",
    r"</?picture>": "an element of HTML",
    r"""\[hidden\] \{|["']\[hidden\]["']""": "a selector of CSS",
    r"\bSIMULATOR_HONOUR_KEYS\b|\bhonour_?[kK]eys\b": "a setting and a JSON key of the simulator",
    r"""["'](pictures|usual)["']|[?&]pictures=""": "JSON keys and a query parameter of the simulator",
    r"""["'](closure|reopening|arrivals)["']|control/arrivals""": "names in stored documents",
}

_ALLOWED = re.compile("|".join(ALLOWED))
_GAP = r"[\s#]+"
_WORDS = {re.compile(rf"(?<!\w)(?:{word.replace(' ', _GAP)})(?!\w)", re.IGNORECASE): say for word, say in WORDS.items()}


@dataclass(frozen=True, order=True)
class Hit:
    """A word that should be another. Line 0 is the file's name."""

    path: str
    line: int
    word: str
    say: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}, say: {self.say}"


def hits(*places: str) -> list[Hit]:
    """Return every hit in files and folders; places are relative to the repository's root."""
    return sorted(hit for place in places for path in _files(ROOT / place) for hit in _hits_of(path))


def find(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line number (from 1), the word, and what to say instead."""
    known = _ALLOWED.sub(lambda match: re.sub(r"\S", ".", match[0]), text)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", known)
    for pattern, say in _WORDS.items():
        for match in pattern.finditer(words):
            yield words.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), say


def _files(place: Path) -> Iterator[Path]:
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SUFFIXES and path.is_file() and not name.startswith(SKIPPED) and "/." not in f"/{name}":
            yield path


def _hits_of(path: Path) -> Iterator[Hit]:
    name = path.relative_to(ROOT).as_posix()
    for line, word, say in find(f"{name}\n{path.read_text()}"):
        yield Hit(name, line - 1, word, say)


def main(places: list[str]) -> int:
    """Print the hits; return the exit code."""
    found = hits(*(places or PLACES))
    for hit in found:
        print(hit)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
