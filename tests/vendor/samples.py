"""The published responses in tests/samples/wireflow: one folder each, with `response.http` and `source`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "samples" / "wireflow"
NAMES = sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("response.http"))


@dataclass(frozen=True)
class Sample:
    """One response; `headers` have names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON value of the body."""
        return json.loads(self.body)


def sample(name: str) -> Sample:
    """Return the response in this folder."""
    head, _, body = (ROOT / name / "response.http").read_text().partition("\n\n")
    first, *lines = head.splitlines()
    pairs = (line.split(": ", 1) for line in lines)
    return Sample(int(first.split()[1]), {key.lower(): value for key, value in pairs}, body.strip().encode())
