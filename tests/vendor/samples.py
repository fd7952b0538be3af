"""The published answers of tests/samples/wireflow, a folder each: `answer.http` as it goes over the wire, `source`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "samples" / "wireflow"
NAMES = sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("answer.http"))


@dataclass(frozen=True)
class Sample:
    """One answer; `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


def sample(name: str) -> Sample:
    """The answer of this folder."""
    head, _, body = (ROOT / name / "answer.http").read_text().partition("\n\n")
    first, *lines = head.splitlines()
    pairs = (line.split(": ", 1) for line in lines)
    return Sample(int(first.split()[1]), {key.lower(): value for key, value in pairs}, body.strip().encode())
