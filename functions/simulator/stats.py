"""What was asked of the stand-in and how it answered, for tests that count."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import stamp
from .routes import Call, Endpoint


@dataclass
class Stats:
    """Counts since the start of the process, or since the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    answers: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: Counter[str] = field(default_factory=Counter)
    polls: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    starts: int = 0
    replays: int = 0

    def asked(self, call: Call, now: datetime) -> None:
        """Count a request as it comes in."""
        self.requests[call.endpoint] += 1
        if call.endpoint is Endpoint.POLL:
            self.polls[call.id].append(now)

    def answered(self, call: Call, outcome: str) -> None:
        """Count the status that a request is answered with, or how its answer breaks."""
        self.answers[call.endpoint][outcome] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts, by the names of /_stats."""
        return {
            "endpoints": {endpoint: self.requests[endpoint] for endpoint in Endpoint},
            "answers": {endpoint: dict(counts) for endpoint, counts in self.answers.items()},
            "starts": self.starts,
            "replays": self.replays,
            "rateLimited": sum(counts["429"] for counts in self.answers.values()),
            "faults": dict(self.faults),
            "polls": {run: [stamp(moment) for moment in moments] for run, moments in self.polls.items()},
        }
