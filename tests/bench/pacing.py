"""How long images lie around before they are found, and what that takes: lag and polls of several policies.

On virtual time, so that a month takes seconds. Lag is the time from the end of a run to the response of the poll that
finds its image. A miss of a target ends the bench with exit code 1.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.poller_model import Clairvoyant, Cron, GuideSchedule, Model, Plan, Run

PLANS = {"pro": Plan(requests=60, starts=10, at_once=10), "free": Plan(requests=10, starts=10, at_once=2)}
POLICIES: dict[str, type[Model]] = {
    "ours": Model,
    "guide": GuideSchedule,
    "cron": Cron,
    "clairvoyant": Clairvoyant,
}
SIGMA = math.log(60 / 15) / 1.6449  # of a log-normal with median 15 s and 95th percentile 60 s
NEAR_CLAIRVOYANT = 1.2
WARM_UP = 30  # runs after which the figures begin


@dataclass(frozen=True)
class Scenario:
    """When requests come. `target`: p50 and p95 of the lag in seconds, and polls an image; None: near clairvoyant."""

    name: str
    plan: str
    every: float  # seconds
    at_once: int
    target: tuple[float, float, float] | None


SCENARIOS = (
    Scenario("sparse", "pro", 300, 1, (2, 8, 6)),
    Scenario("steady", "pro", 12, 1, (2, 8, 6)),
    Scenario("burst", "pro", 900, 30, (3, 10, 5)),
    Scenario("sparse", "free", 300, 1, (4, 12, 3.5)),
    Scenario("steady", "free", 30, 1, (4, 12, 3.5)),
    Scenario("burst", "free", 900, 30, None),
)


def log_normal(rand: random.Random) -> float:
    return rand.lognormvariate(math.log(15), SIGMA)


def bimodal(rand: random.Random) -> float:
    return rand.lognormvariate(math.log(10 if rand.random() < 0.7 else 45), 0.2)


RUN_TIMES: dict[str, Callable[[random.Random], float]] = {"log-normal": log_normal, "bimodal": bimodal}


@dataclass(frozen=True)
class Figures:
    """Lag and total time from request to image in seconds, polls an image, and responses 429."""

    lag: tuple[float, float]
    total: tuple[float, float]
    polls: float
    refused: int

    def meets(self, scenario: Scenario, clairvoyant: "Figures") -> bool:
        if self.refused:
            return False
        if scenario.target is None:
            pairs = zip((*self.lag, *self.total), (*clairvoyant.lag, *clairvoyant.total), strict=True)
            return all(ours <= NEAR_CLAIRVOYANT * bound for ours, bound in pairs)
        return all(value <= target for value, target in zip((*self.lag, self.polls), scenario.target, strict=True))


def figures(policy: type[Model], scenario: Scenario, run_times: str, images: int, seed: int = 1) -> Figures:
    """Let a policy follow so many runs. Every policy gets the same ones."""
    rand = random.Random(f"{seed} {scenario.name} {scenario.plan} {run_times}")
    draw = RUN_TIMES[run_times]
    posted = [
        number // scenario.at_once * scenario.every + rand.random() * scenario.every / 10 for number in range(images)
    ]
    if scenario.at_once > 1:
        posted = [number // scenario.at_once * scenario.every + 7.0 for number in range(images)]
    model = policy(PLANS[scenario.plan], [Run(at, draw(rand)) for at in posted]).play()
    runs = model.runs[WARM_UP:]
    return Figures(
        lag=_p50_p95([run.lag for run in runs]),
        total=_p50_p95([run.found - run.posted for run in runs]),
        polls=sum(run.polls for run in runs) / len(runs),
        refused=model.refused,
    )


def _p50_p95(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
