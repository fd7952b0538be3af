"""How long images lie around before they are found, and what that takes: lag and polls of several policies.

On virtual time, so that a month takes seconds. Lag is the time from the end of a run to the response of the poll that
finds its image. A miss of a target ends the bench with exit code 1.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.bench.poller_model import Clairvoyant, Cron, GuideSchedule, Model, Plan, Run

PLANS = {"pro": Plan(requests=60, starts=10, at_once=6), "free": Plan(requests=10, starts=10, at_once=1)}
POLICIES: dict[str, type[Model]] = {
    "ours": Model,
    "guide": GuideSchedule,
    "cron": Cron,
    "clairvoyant": Clairvoyant,
}
SIGMA = math.log(60 / 15) / 1.6449  # of a log-normal with median 15 s and 95th percentile 60 s
NEAR_CLAIRVOYANT = 1.2
WARM_UP = 30  # runs after which the figures begin
IMAGES, IMAGES_IN_SHORT = 900, 60


@dataclass(frozen=True)
class Scenario:
    """When requests come. `target`: p50 and p95 of the lag in seconds, and polls an image.

    None: within NEAR_CLAIRVOYANT times the clairvoyant policy, in these and in the time from request to image.
    """

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
            ours = (*self.lag, *self.total, self.polls)
            bounds = (*clairvoyant.lag, *clairvoyant.total, clairvoyant.polls)
            return all(value <= NEAR_CLAIRVOYANT * bound for value, bound in zip(ours, bounds, strict=True))
        return all(value <= target for value, target in zip((*self.lag, self.polls), scenario.target, strict=True))


@dataclass(frozen=True)
class Line:
    """One policy in one scenario. `missed`: it is ours, and misses the target."""

    run_times: str
    scenario: Scenario
    policy: str
    figures: Figures
    missed: bool

    def __str__(self) -> str:
        scenario, found = self.scenario, self.figures
        where = f"{self.run_times:<11}{scenario.plan:<5}{scenario.name:<7}{self.policy:<12}"
        lag = f"lag {found.lag[0]:>6.2f} / {found.lag[1]:>6.2f} s"
        total = f"in all {found.total[0]:>4.0f} / {found.total[1]:>4.0f} s"
        return f"{where}{lag}{found.polls:>6.2f} polls  {total}  {found.refused} × 429{self._target()}"

    def _target(self) -> str:
        if self.policy != "ours":
            return ""
        wanted = f"at most {NEAR_CLAIRVOYANT} × clairvoyant"
        if self.scenario.target:
            wanted = "at most {:g} / {:g} s, {:g} polls".format(*self.scenario.target)
        return f"  ({wanted}{': MISSED' if self.missed else ''})"


def measure(*, short: bool) -> Iterator[Line]:
    """Yield the lines of the table. Each scenario is computed in a process of its own."""
    images = IMAGES_IN_SHORT if short else IMAGES
    cells = [(run_times, scenario, policy) for run_times in RUN_TIMES for scenario in SCENARIOS for policy in POLICIES]
    with ProcessPoolExecutor() as processes:
        arguments = [(POLICIES[policy], scenario, run_times, images) for run_times, scenario, policy in cells]
        found = dict(zip(cells, processes.map(figures, *zip(*arguments, strict=True)), strict=True))
    for cell in cells:
        run_times, scenario, policy = cell
        meets = found[cell].meets(scenario, found[run_times, scenario, "clairvoyant"])
        yield Line(run_times, scenario, policy, found[cell], missed=policy == "ours" and not short and not meets)


def figures(policy: type[Model], scenario: Scenario, run_times: str, images: int, seed: int = 1) -> Figures:
    """Let a policy follow so many runs. Every policy gets the same ones."""
    rand = random.Random(f"{seed} {scenario.name} {scenario.plan} {run_times}")
    draw = RUN_TIMES[run_times]
    shift = scenario.every / 10 if scenario.at_once == 1 else 0.0
    posted = [number // scenario.at_once * scenario.every + rand.random() * shift + 7 for number in range(images)]
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
