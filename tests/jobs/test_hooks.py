"""Hooks in both stores."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from shared.hooks import Hook, HookSecret, HookStatus
from shared.ports import JobStore
from shared.store_errors import Conflict
from tests.jobs.places import NOW, Place, outcomes

HOUR = timedelta(hours=1)
SECRETS = (HookSecret(secret="whsec_new"), HookSecret(secret="whsec_old", until=NOW + HOUR))


def a_hook(hook_id: str = "hook1", **changes: Any) -> Hook:
    known: dict[str, Any] = {
        "hook_url": "https://hooks.test/catch?key=1",
        "caller": "shop",
        "created_at": NOW,
        "secrets": SECRETS,
    }
    return Hook(id=hook_id, **(known | changes))


@pytest.mark.parametrize(
    "changes",
    [{}, {"workflow": "pro", "events": ("image.failed",), "format": "flat", "admin": True, "caller": ""}],
    ids=["defaults", "everything"],
)
async def test_a_hook_read_equals_the_hook_created(changes: dict[str, Any], store: JobStore):
    created = await store.create_hook(a_hook(**changes))
    assert await store.get_hook("hook1") == created == a_hook(**changes)
    assert created.revision is not None
    assert await store.get_hook("hook2") is None


async def test_a_hook_is_changed_only_as_it_was_read(store: JobStore):
    first = await store.create_hook(a_hook())
    second = await store.save_hook(first.rotated("whsec_newest", NOW))
    for stale in (first, a_hook()):
        with pytest.raises(Conflict):
            await store.save_hook(stale.ended())
    third = await store.save_hook(second.ended())
    assert await store.get_hook("hook1") == third == a_hook().rotated("whsec_newest", NOW).ended()


async def test_a_deleted_hook_is_gone_and_cannot_be_changed(store: JobStore):
    created = await store.create_hook(a_hook())
    await store.delete_hook("hook1")
    await store.delete_hook("hook1")
    assert await store.get_hook("hook1") is None
    with pytest.raises(Conflict):
        await store.save_hook(created.ended())
    assert await store.get_hook("hook1") is None


async def test_hooks_are_found_by_caller_and_by_status_oldest_first(store: JobStore):
    for name, caller, hours in (("b", "shop", 1), ("a", "shop", 2), ("c", "zapier", 3), ("d", "", 4)):
        await store.create_hook(a_hook(name, caller=caller, created_at=NOW + hours * HOUR))
    ended = await store.get_hook("b")
    assert ended is not None
    await store.save_hook(ended.ended())
    assert [hook.id for hook in await store.hooks_of("shop")] == ["b", "a"]
    assert [hook.id for hook in await store.hooks_of("")] == ["d"]
    assert [hook.id for hook in await store.hooks_of(None)] == ["b", "a", "c", "d"]
    assert [hook.id for hook in await store.active_hooks()] == ["a", "c", "d"]
    assert (await store.hooks_of("shop"))[0].status is HookStatus.ENDED


async def test_a_hook_that_cannot_be_read_does_not_hide_the_others(store: JobStore, place: Place):
    await store.create_hook(a_hook("first"))
    await store.create_hook(a_hook("second"))
    await place.put("hooks/first", events=7)
    assert [hook.id for hook in await store.active_hooks()] == ["second"]
    assert await store.get_hook("first") is None


async def test_unknown_fields_of_a_hook_survive_a_save(store: JobStore, place: Place):
    await store.create_hook(a_hook())
    await place.put("hooks/hook1", note="of a later version")
    found = await store.get_hook("hook1")
    assert found is not None
    await store.save_hook(found.ended())
    assert (await place.look("hooks/hook1"))["note"] == "of a later version"


async def test_of_many_rotations_at_once_one_wins(place: Place):
    stores = [place.open() for _ in range(4)]
    created = await stores[0].create_hook(a_hook())
    rotations = [created.rotated(f"whsec_{number}", NOW) for number in range(4)]
    results = await outcomes(*(store.save_hook(one) for store, one in zip(stores, rotations, strict=True)))
    (won,) = [result for result in results if isinstance(result, Hook)]
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert await stores[0].get_hook("hook1") == won
    await asyncio.gather(*(store.close() for store in stores))


async def test_the_stored_names_of_a_hook_do_not_change(store: JobStore, place: Place):
    await store.create_hook(dataclasses.replace(a_hook(), workflow="pro"))
    document = await place.look("hooks/hook1")
    assert document.keys() - {"writeToken"} == {
        *("hookUrl", "caller", "createdAt", "secrets", "events", "workflow", "format", "status", "admin"),
    }
    assert [one.keys() for one in document["secrets"]] == [{"secret", "until"}, {"secret", "until"}]
