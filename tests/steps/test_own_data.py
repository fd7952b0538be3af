"""The caller's own data: `metadata` is for its caller, `altText` for every reader, and neither is for Wireflow."""

import json
from typing import Any

import pytest

from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer, submit

ORDER = {"order": "1042"}


async def test_only_the_caller_and_admins_see_metadata(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        answer = await submit(world, bearer("zap"), metadata=ORDER, altText="A cat on a mat")
        assert (answer.json()["metadata"], answer.json()["altText"]) == (ORDER, "A cat on a mat")
        url = answer.json()["statusUrl"]
        for name in ("zap", "admin"):
            assert (await world.http.get(url, headers=bearer(name))).json()["metadata"] == ORDER
            (listed,) = (await world.http.get("/jobs", headers=bearer(name))).json()["jobs"]
            assert listed["metadata"] == ORDER


async def test_a_visitor_does_not_see_metadata(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        form = {"prompt": "a cat", **SMALL, "metadata.order": "1042"}
        answer = await world.http.post("/", data=form, headers={"Origin": SHOP})
        assert answer.status_code == 202
        url = answer.json()["statusUrl"]
        assert answer.json()["metadata"] is None
        assert (await world.http.get(url)).json()["metadata"] is None
        assert (await world.http.get(url, headers=bearer("zap"))).json()["metadata"] is None
        assert (await world.http.get(url, headers=bearer("admin"))).json()["metadata"] == ORDER


async def test_without_authentication_a_local_caller_sees_metadata(world: World) -> None:
    job_id = await world.accepted(metadata=ORDER)
    assert (await world.job(job_id))["metadata"] == ORDER
    assert (await world.job(await world.accepted()))["metadata"] == {}


async def test_they_outlast_every_step_and_never_reach_wireflow(world: World) -> None:
    job_id = await world.accepted(metadata=ORDER, altText="A cat on a mat")
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["metadata"], job["altText"]) == ("succeeded", ORDER, "A cat on a mat")
    seen = json.dumps([run.input for run in world.simulator.state.runs.all()], default=str)
    assert "1042" not in seen
    assert "on a mat" not in seen


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a cat", "a cat"),
        ("a  cat\non a mat ", "a cat on a mat"),
        ("word " * 150, "word " * 99 + "word…"),
        ("x" * 501, "x" * 499 + "…"),
    ],
)
async def test_by_default_it_is_the_prompt_on_one_line(world: World, prompt: str, text: str) -> None:
    job = (await world.post(prompt)).json()
    assert job["altText"] == text
    assert len(text) <= 500


async def test_a_repeat_must_have_the_same_metadata(world: World) -> None:
    async def status(**fields: Any) -> int:
        return (await world.post(key="k", **fields)).status_code

    assert [await status(metadata=ORDER), await status(metadata=ORDER), await status(metadata={"order": "7"})] == [
        202,
        202,
        422,
    ]
