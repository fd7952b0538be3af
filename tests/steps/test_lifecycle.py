"""A job from its submission to a final state, and what is public, stored, and logged about it."""

from datetime import timedelta
from itertools import pairwise

from shared.job_states import TRANSITIONS, Status
from tests.harness.counting import WatchedJobs
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

TRIGGERING, RUNNING, COPYING = Status.TRIGGERING, Status.RUNNING, Status.COPYING
QUEUED, SUCCEEDED, FAILED, CANCELED = Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELED


async def test_a_request_becomes_a_stored_image(world: World) -> None:
    response = await world.post("a golden retriever", resolution="1K")
    assert response.status_code == 202
    assert response.json()["status"] == "running"
    (job,) = await world.end_of(response.json()["id"])
    assert job["status"] == "succeeded"
    assert (job["prompt"], job["workflow"], job["imageCount"]) == ("a golden retriever", "default", 1)
    assert job["imageUrls"] == [job["images"][0]["url"]] == [f"{response.json()['imageUrl']}/0"]
    assert (job["errorCode"], job["possibleDuplicate"], job["waitReason"]) == (None, False, None)
    assert job["requestId"].startswith("req_")
    assert 15 <= job["runSeconds"] <= 25


async def test_the_stored_image_is_the_one_that_was_generated(world: World) -> None:
    (job,) = await world.end_of(await world.accepted(format="webp"))
    (run,) = (await world.simulated("/_runs?pictures=true"))["runs"]
    (generated,), (stored,) = run["pictures"], job["images"]
    assert {name: stored[name] for name in ("sha256", "bytes", "contentType", "width", "height")} == {
        name: generated[name] for name in ("sha256", "bytes", "contentType", "width", "height")
    }
    assert stored["sourceUrl"] == generated["url"]


async def test_unknown_fields_are_sent_to_wireflow_unchanged(world: World) -> None:
    fields = {"resolution": "2K", "nested": {"a": [1, [2.5, None]]}, "website": "w"}
    await world.accepted("a cat", **fields, allowPartial=True, deadlineSeconds=600, workflow="default")
    (run,) = world.simulator.state.runs.all()
    assert dict(run.body) == {"prompt": "a cat", "aspect_ratio": "64:1", **fields}


async def test_jobs_follow_the_table_of_transitions(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs) as world:
        started = await world.accepted()
        world.vendor.always("trigger", 402)
        refused = await world.accepted()
        world.vendor.reset()
        canceled = await world.accepted()
        await world.http.delete(f"/jobs/{canceled}")
        unknown = await world.accepted("[fault:hang]")
        failed = await world.accepted("[fault:moderation]")
        timed_out = await world.accepted("[fault:never_ends]")
        await world.end_of(started, refused, unknown, failed, timed_out)
        states = {job_id: world.store.states[job_id] for job_id in (started, refused, canceled, failed)}
        assert states == {
            started: [TRIGGERING, RUNNING, COPYING, SUCCEEDED],
            refused: [TRIGGERING, QUEUED, TRIGGERING, RUNNING, COPYING, SUCCEEDED],
            canceled: [QUEUED, CANCELED],
            failed: [QUEUED, TRIGGERING, RUNNING, FAILED],
        }
        assert world.store.states[unknown][-4:] == [TRIGGERING, RUNNING, COPYING, SUCCEEDED]
        for states in world.store.states.values():
            assert all(after in TRANSITIONS[before] for before, after in pairwise(states)), states


async def test_a_job_is_final_within_ten_seconds_of_its_run(world: World) -> None:
    job_id = await world.accepted()
    (job,) = await world.end_of(job_id)
    (run,) = world.simulator.state.runs.all()
    assert moment(job["completedAt"]) - run.ends_at <= timedelta(seconds=10)


async def test_a_final_job_is_not_due_again(world: World) -> None:
    ids = [await world.accepted(prompt) for prompt in ("a cat", "[fault:failed]")]
    await world.end_of(*ids)
    for job_id in ids:
        record = await world.record(job_id)
        assert (record.due_at, record.queue_at) == (None, None)


async def test_log_lines_name_the_job_and_contain_no_secret(world: World) -> None:
    job_id = await world.accepted("a very secret prompt")
    await world.end_of(job_id)
    events = [line["event"] for line in world.log() if line.get("jobId") == job_id]
    assert events == ["job_accepted", "job_started", "job_stored"]
    for secret in ("secret prompt", "demo-webhook", "sk-simulator"):
        assert secret not in world.lines.getvalue()


async def test_the_log_line_of_a_final_job_has_the_seconds_since_its_run_was_started(world: World) -> None:
    stored, failed, refused = [
        await world.accepted(f"a cat{fault}") for fault in ("", "[fault:failed]", "[fault:bad_request]")
    ]
    for job in await world.end_of(stored, failed, refused):
        (line,) = [
            line
            for line in world.log()
            if line.get("jobId") == job["id"] and line["event"] in ("job_stored", "job_failed")
        ]
        expected = moment(job["completedAt"]) - moment(job["startedAt"]) if job["id"] != refused else None
        assert line.get("secondsSinceStart") == (expected.total_seconds() if expected else None)
    assert not [line for line in world.log() if line["event"] == "job_started" and "secondsSinceStart" in line]


async def test_no_log_line_quotes_wireflow(world: World) -> None:
    """Its error messages may contain the prompt, and its URL contains the id of the webhook."""
    for fault in ("bad_request", "moderation", "redirect", "html_error"):
        await world.accepted(f"confidential [fault:{fault}]")
    await world.run_for(timedelta(minutes=5))
    for secret in ("confidential", "demo-webhook", "sk-simulator", "content policy", "/trigger"):
        assert secret not in world.lines.getvalue()
