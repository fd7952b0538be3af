"""Hooks of an instance: whom they hear, what signs, and how often they are read."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.hooks import MAX_OLD_SECRETS, Hook, HookSecret
from shared.job_states import FINAL, Status
from shared.listed_job import ListedJob
from shared.runtime.hooks import Hooks
from shared.store_errors import Conflict, StoreUnavailable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Store:
    """The hooks of a store, without its other documents. `conflicts`: how many saves fail."""

    def __init__(self, *hooks: Hook) -> None:
        self.hooks = {hook.id: hook for hook in hooks}
        self.reads = self.conflicts = 0
        self.available = True

    async def active_hooks(self) -> list[Hook]:
        self.reads += 1
        await asyncio.sleep(0)
        if not self.available:
            raise StoreUnavailable("down")
        return [hook for hook in self.hooks.values() if hook.status == "active"]

    async def get_hook(self, hook_id: str) -> Hook | None:
        return self.hooks.get(hook_id)

    async def save_hook(self, hook: Hook) -> Hook:
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict("changed")
        self.hooks[hook.id] = hook
        return hook


def hook(hook_id: str = "hook1", **changes: Any) -> Hook:
    known: dict[str, Any] = {
        "hook_url": "https://hooks.test/catch?key=1",
        "caller": "shop",
        "created_at": NOON,
        "secrets": (HookSecret(secret="whsec_first"),),
    }
    return Hook(id=hook_id, **(known | changes))


def job(**changes: Any) -> ListedJob:
    known: dict[str, Any] = {"caller": "shop", "status": Status.SUCCEEDED}
    return ListedJob(id="0" * 32, prompt="a cat", created_at=NOON, give_up_at=NOON + DAY, **(known | changes))


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- which jobs it hears -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({}, True),
        ({"caller": "zapier"}, False),
        ({"caller": None}, False),
        ({"caller": "form:https://shop.example"}, False),
        ({"status": Status.FAILED}, True),
        ({"status": Status.CANCELED}, True),
        ({"workflow": "pro"}, True),
    ],
)
def test_a_hook_hears_the_jobs_of_its_caller(changes: dict[str, Any], heard: bool):
    assert hook().hears(job(**changes)) is heard


@pytest.mark.parametrize("caller", ["zapier", None, "event", "form:https://shop.example"])
def test_a_hook_of_an_admin_hears_the_jobs_of_all_callers(caller: str | None):
    assert hook(admin=True).hears(job(caller=caller))


def test_a_hook_hears_only_its_events():
    one = hook(events=("image.failed",))
    assert [status for status in FINAL if one.hears(job(status=status))] == [Status.FAILED]


def test_a_hook_hears_only_its_workflow():
    one = hook(workflow="pro")
    assert one.hears(job(workflow="pro"))
    assert not one.hears(job())


# --- secrets -------------------------------------------------------------------------------------------------------


def test_the_old_secret_signs_beside_the_new_one_for_a_day():
    rotated = hook().rotated("whsec_second", NOON)
    assert rotated.signing_secrets(NOON) == ["whsec_second", "whsec_first"]
    assert rotated.signing_secrets(NOON + DAY - timedelta(seconds=1)) == ["whsec_second", "whsec_first"]
    assert rotated.signing_secrets(NOON + DAY) == ["whsec_second"]


def test_each_old_secret_signs_for_its_own_day():
    rotated = hook().rotated("whsec_second", NOON).rotated("whsec_third", NOON + DAY / 2)
    assert rotated.signing_secrets(NOON + DAY / 2) == ["whsec_third", "whsec_second", "whsec_first"]
    assert rotated.signing_secrets(NOON + DAY) == ["whsec_third", "whsec_second"]
    assert len(rotated.rotated("whsec_fourth", NOON + 3 * DAY).secrets) == 2


def test_only_a_few_old_secrets_sign():
    rotated = hook()
    for number in range(20):
        rotated = rotated.rotated(f"whsec_{number}", NOON)
    assert rotated.signing_secrets(NOON) == [f"whsec_{number}" for number in range(19, 18 - MAX_OLD_SECRETS, -1)]


def test_a_hook_is_shown_without_its_secrets_and_url():
    assert "whsec" not in repr(hook())
    assert "hooks.test" not in repr(hook())


# --- the snapshot --------------------------------------------------------------------------------------------------


async def test_many_jobs_that_end_together_read_the_hooks_once(clock: Clock):
    store = Store(hook(), hook("hook2", caller="zapier"))
    hooks = Hooks(store, clock)  # type: ignore[arg-type]
    found = await asyncio.gather(*(hooks.matching(job()) for _ in range(20)))
    assert [[one.id for one in each] for each in found] == [["hook1"]] * 20
    assert store.reads == 1


async def test_the_hooks_are_read_at_most_every_ten_seconds(clock: Clock):
    hooks = Hooks(store := Store(), clock)  # type: ignore[arg-type]
    for second in range(31):
        clock.seconds = second
        await hooks.matching(job())
    assert store.reads == 4


async def test_a_new_hook_is_known_after_ten_seconds(clock: Clock):
    hooks = Hooks(store := Store(), clock)  # type: ignore[arg-type]
    assert await hooks.matching(job()) == []
    store.hooks["hook1"] = hook()
    clock.seconds = 10
    assert await hooks.matching(job()) == [hook()]


async def test_hooks_that_cannot_be_read_are_not_taken_for_none(clock: Clock):
    hooks = Hooks(store := Store(hook()), clock)  # type: ignore[arg-type]
    store.available = False
    with pytest.raises(StoreUnavailable):
        await hooks.matching(job())
    store.available = True
    assert await hooks.matching(job()) == [hook()]


async def test_the_secrets_of_a_hook_are_those_that_sign_now(clock: Clock):
    hooks = Hooks(Store(hook().rotated("whsec_second", NOON)), clock)  # type: ignore[arg-type]
    assert await hooks.secrets("hook1") == ["whsec_second", "whsec_first"]
    clock.seconds = DAY.total_seconds()
    assert await hooks.secrets("hook1") == ["whsec_second"]


async def test_a_hook_that_another_instance_knew_first_signs_too(clock: Clock):
    hooks = Hooks(store := Store(), clock)  # type: ignore[arg-type]
    await hooks.matching(job())
    store.hooks["hook1"] = hook()
    assert await hooks.secrets("hook1") == ["whsec_first"]


async def test_a_hook_that_has_ended_or_was_deleted_has_no_secrets(clock: Clock):
    hooks = Hooks(Store(hook().ended()), clock)  # type: ignore[arg-type]
    assert await hooks.secrets("hook1") == await hooks.secrets("deleted") == []


# --- its end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conflicts", [0, 2])
async def test_an_ended_hook_hears_nothing_more_at_once(conflicts: int, clock: Clock):
    store = Store(hook(), hook("hook2"))
    store.conflicts = conflicts
    hooks = Hooks(store, clock)  # type: ignore[arg-type]
    await hooks.matching(job())
    await hooks.end("hook1")
    assert store.hooks["hook1"] == hook().ended()
    assert [one.id for one in await hooks.matching(job())] == ["hook2"]
    await hooks.end("hook1")
    await hooks.end("deleted")


async def test_a_hook_that_is_changed_again_and_again_ends_with_the_next_410(clock: Clock):
    store = Store(hook())
    store.conflicts = 3
    hooks = Hooks(store, clock)  # type: ignore[arg-type]
    await hooks.end("hook1")
    assert store.hooks["hook1"] == hook()
    await hooks.end("hook1")
    assert store.hooks["hook1"] == hook().ended()
