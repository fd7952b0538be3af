"""No spend limit is exceeded: two triggers and two pollers, killed at any call to the store, with clocks that are set.

The paid calls are counted at Wireflow, each with the reservation under which it was made. The rules alone have the same
test in tests/spending/test_budget.py.
"""

import asyncio
import hashlib
import json
import math
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from functions.simulator.app import Simulator
from shared.ports import JobStore
from shared.spending.budget import Reservation
from shared.store_errors import StoreUnavailable
from tests.harness import world as harness
from tests.harness.vendor import Call
from tests.harness.virtual_time import run
from tests.harness.world import SMALL, World

PRICE = 100_000
PER_DAY, PER_MONTH, PER_10_MINUTES = 5 * PRICE, 8 * PRICE, 3 * PRICE
ZAP_STARTS, SHOP_PER_DAY = 2, 2 * PRICE
WORKFLOW = {"mode": "webhook", "id": "demo-webhook", "pricePerImage": PRICE / 1e6}
SETTINGS = {
    "WIREFLOW_WORKFLOWS": json.dumps({"default": WORKFLOW}),
    "TRIGGER_TOKENS": json.dumps({name: hashlib.sha256(name.encode()).hexdigest() for name in ("zap", "shop", "ci")}),
    "DAILY_SPEND_USD": str(PER_DAY / 1e6),
    "MONTHLY_SPEND_USD": str(PER_MONTH / 1e6),
    "CALLER_LIMITS": json.dumps({"zap": {"perDay": ZAP_STARTS}, "shop": {"usdPerDay": SHOP_PER_DAY / 1e6}}),
    "LEASE_SECONDS": "20",
}
REFUSED = ("bad_request", "rate_limited_seconds")


class Mortal:
    """A job store whose instance is killed at one of its calls: that call may be executed, no later one is."""

    def __init__(self, inner: JobStore) -> None:
        self.inner = inner
        self.calls_left: float = math.inf
        self.last_is_executed = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls_left -= 1
            if self.calls_left < 0 and not (self.calls_left == -1 and self.last_is_executed):
                raise StoreUnavailable("killed")
            result = await method(*arguments, **options)
            if self.calls_left < 0:
                raise StoreUnavailable("killed")
            return result

        return method if name == "close" else call


@dataclass
class Ledger:
    """The calls that Wireflow may charge: when they were made, for which caller, and what was reserved for them."""

    calls: list[tuple[datetime, str | None, Reservation]] = field(default_factory=list)

    def watch(self, world: World) -> None:
        assert isinstance(world.store, Mortal)
        store = world.store.inner

        async def script(call: Call) -> httpx.Response | None:
            if call.endpoint == "trigger" and not any(fault in call.prompt for fault in REFUSED):
                job = await store.get(str(call.key).partition(".")[0])
                assert job
                assert job.reservation
                self.calls.append((call.at, job.caller, job.reservation))
            return None

        world.vendor.script = script

    def check(self, *, ten_minutes: bool) -> None:
        days, months, zap, shop = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for _, caller, reserved in self.calls:
            days[reserved.day] += reserved.micros
            months[reserved.day[:7]] += reserved.micros
            zap[reserved.day] += caller == "zap"
            shop[reserved.day] += reserved.micros * (caller == "shop")
        limits = [(days, PER_DAY), (months, PER_MONTH), (zap, ZAP_STARTS), (shop, SHOP_PER_DAY)]
        assert all(max(amounts.values(), default=0) <= limit for amounts, limit in limits)
        if ten_minutes:
            for end, _, _ in self.calls:
                recent = [one for at, _, one in self.calls if end - timedelta(minutes=10) < at <= end]
                assert sum(one.micros for one in recent) <= PER_10_MINUTES


@dataclass(frozen=True)
class Round:
    """A minute. `posts`: instance, caller, fault. `kill`: instance, its last call, if that is executed."""

    posts: list[tuple[int, str, str]]
    kill: tuple[int, int, bool] | None
    steps: tuple[int, int]


STEPS = st.sampled_from([0, 0, 0, -60, 3_600, -86_400, 86_400, -31 * 86_400])
FAULTS = st.sampled_from(["", "", "", "server_error", "hang_after_start", *REFUSED])
ROUNDS = st.builds(
    Round,
    posts=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(["zap", "shop", "ci", "ci"]), FAULTS), min_size=4, max_size=8
    ),
    kill=st.none() | st.tuples(st.integers(0, 1), st.integers(0, 40), st.booleans()),
    steps=st.tuples(STEPS, STEPS) | st.just((0, 0)),
)


class Instances:
    """Two instances of both functions, which share a store and the simulator."""

    def __init__(
        self, folder: Path, simulator: Simulator, ledger: Ledger, stack: AsyncExitStack, ten_minutes: int
    ) -> None:
        limit = {"SPEND_PER_10_MINUTES_USD": str(ten_minutes / 1e6)}
        self._open = lambda: harness.world(folder, simulator=simulator, wrap=Mortal, **SETTINGS, **limit)
        self._ledger, self._stack = ledger, stack
        self.worlds: list[World] = []

    async def start(self) -> World:
        world = await self._stack.enter_async_context(self._open())
        self._ledger.watch(world)
        return world

    async def play(self, now: Round) -> None:
        for world, seconds in zip(self.worlds, now.steps, strict=True):
            world.clock.step(timedelta(seconds=seconds))
        if now.kill:
            number, calls, executed = now.kill
            doomed = self.worlds[number].store
            assert isinstance(doomed, Mortal)
            doomed.calls_left, doomed.last_is_executed = calls, executed
        work = [self._post(*post, number) for number, post in enumerate(now.posts)]
        await asyncio.gather(*work, *(world.run_window() for world in self.worlds), return_exceptions=True)
        if now.kill:
            self.worlds[now.kill[0]] = await self.start()

    async def _post(self, instance: int, caller: str, fault: str, number: int) -> None:
        world = self.worlds[instance]
        await world.clock.sleep(number // 3)
        body = {"prompt": f"[fault:{fault}] cat" if fault else "a cat", **SMALL}
        await world.http.post("/", json=body, headers={"Authorization": f"Bearer {caller}"})


async def play(rounds: list[Round], ten_minutes: int = 0) -> Ledger:
    ledger, simulator = Ledger(), harness.a_simulator()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            instances = Instances(Path(folder), simulator, ledger, stack, ten_minutes)
            instances.worlds = [await instances.start() for _ in range(2)]
            for number, now in enumerate(rounds):
                await instances.play(now)
                clocks_were_set = any(any(one.steps) for one in rounds[: number + 1])
                ledger.check(ten_minutes=bool(ten_minutes) and not clocks_were_set)
            for world in instances.worlds:
                world.store.calls_left = math.inf  # type: ignore[attr-defined]
    return ledger


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])  # a failure takes too long to shrink
@given(st.lists(ROUNDS, min_size=2, max_size=6), st.sampled_from([0, 0, PER_10_MINUTES]))
def test_no_limit_is_exceeded_by_two_triggers_and_two_pollers_that_are_killed_and_whose_clocks_are_set(
    rounds: list[Round], ten_minutes: int
) -> None:
    run(play(rounds, ten_minutes))


def test_the_limits_of_that_test_are_reached() -> None:
    busy = Round([(number % 2, caller, "") for number in range(3) for caller in ("zap", "shop", "ci")], None, (0, 0))
    assert len(run(play([busy, busy])).calls) == PER_DAY // PRICE
    assert len(run(play([busy, busy], PER_10_MINUTES)).calls) == PER_10_MINUTES // PRICE
    tomorrow = Round(busy.posts, None, (86_400, 86_400))
    assert len(run(play([busy, tomorrow])).calls) == PER_MONTH // PRICE
