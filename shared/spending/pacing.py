"""When a run is polled next: as soon as the lag that is expected since its last poll is worth a request. Pure.

How long runs of the workflow took lately tells how likely it is that this one has ended meanwhile. As long as that is
not known the guide's schedule applies: 1 s, then ×1.5 each, at most 10 s.
"""

import math
from collections.abc import Sequence

MAX_GUIDE_PAUSE = 10.0  # seconds between two polls of a run by the guide's schedule
MIN_PAUSE, MAX_PAUSE = 1.0, 60.0
PATIENCE = 5  # a pause is at least this part of the time since the start: a long run may be found a little later
MIN_RUNS, MAX_RUNS = 8, 64  # run times of a workflow: fewer are no summary, and older ones are forgotten
SMOOTHING = 0.2  # standard deviation of the logarithm of a run time around each that was seen
ROOT_2, MEAN_OF_MEDIAN = math.sqrt(2), math.exp(SMOOTHING**2 / 2)
TAIL = 0.01  # share of runs that take longer than a summary can tell about
BISECTIONS = 12  # of a pause of at most a minute: 15 ms
# The price of a poll in seconds of lag, found with `python -m tests.bench pacing`: without a limit, with 60 polls a
# minute, how it grows when a plan allows fewer, and how it grows when a limit is nearly used up.
UNLIMITED_PRICE, PRICE, SCARCITY, PRESSURE, STEEPNESS = 0.2, 0.2, 0.675, 2.4, 4
PATIENT_SECONDS = 20.0  # that a job may wait for room to start before polls become less frequent

Summary = Sequence[float]  # how long runs of one workflow took lately, in seconds, the oldest first


def seconds_to_next_poll(elapsed: float, took: Summary = (), price: float = 1.0, errors: int = 0) -> float:
    """Return the pause until the next poll of a run, `elapsed` seconds after its start, which is when it is polled.

    `price`: how many seconds of lag one poll is worth. `errors` counts the failed polls in a row. The pause depends on
    nothing else: a worker that takes over a run needs no history of it.
    """
    elapsed = max(elapsed, 0.0)
    pause = min(1 + elapsed / 2, MAX_GUIDE_PAUSE)
    if len(took) >= MIN_RUNS:
        running = 1 - _expectation(took, elapsed)[0]
        worthwhile = _worthwhile_pause(took, elapsed, price * running) if running > TAIL else MAX_GUIDE_PAUSE
        pause = min(max(worthwhile, elapsed / PATIENCE), MAX_PAUSE)
    return max(pause, min(2.0**errors, MAX_PAUSE)) if errors else pause


def price_of_poll(per_minute: int, load: float, backlog: float = 0.0) -> float:
    """Return how many seconds of lag one poll is worth, when at most `per_minute` polls can be made in a minute.

    `load`: how much of the limit is used, from 0 to 2. A poll becomes dear before the limit is reached: an exhausted
    limit would stop all polls for most of a minute. `backlog`: for how many seconds jobs have been waiting for room to
    start, which polls take from them.
    """
    if not per_minute:
        return UNLIMITED_PRICE
    scarcity: float = (60 / per_minute) ** SCARCITY
    return PRICE * scarcity * max(1.0, PRESSURE * load**STEEPNESS) * max(1.0, backlog / PATIENT_SECONDS)


def after_run(took: Summary, running_at: float, ended_at: float) -> tuple[float, ...]:
    """Return the summary with one more run, which was still running at one poll and had ended at the next one.

    Both are seconds since its start.
    """
    took_about = (max(running_at, ended_at / 2) + ended_at) / 2
    return (*took, round(took_about, 1))[-MAX_RUNS:]


def _worthwhile_pause(took: Summary, elapsed: float, price: float) -> float:
    """Return the pause after which the lag that is to be expected reaches `price`, which it does once: it grows."""
    ended, lag = _expectation(took, elapsed)
    low, high = MIN_PAUSE, MAX_PAUSE
    for _ in range(BISECTIONS):
        pause = (low + high) / 2
        if _expectation(took, elapsed + pause)[1] - lag - pause * ended < price:
            low = pause
        else:
            high = pause
    return high


def _expectation(took: Summary, elapsed: float) -> tuple[float, float]:
    """Return which share of runs takes at most `elapsed` seconds, and the mean time since their end, 0 for the others.

    Each run seen stands for a log-normal around it. The share is its cumulative distribution; for the time:
    https://en.wikipedia.org/wiki/Log-normal_distribution#Partial_expectation
    """
    ended = lag = 0.0
    for one in took if elapsed > 0 else ():
        z = math.log(elapsed / one) / SMOOTHING
        share = (1 + math.erf(z / ROOT_2)) / 2
        ended += share
        lag += elapsed * share - one * MEAN_OF_MEDIAN * (1 + math.erf((z - SMOOTHING) / ROOT_2)) / 2
    return ended / len(took), lag / len(took)
