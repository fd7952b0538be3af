"""The way of a job through its states, and what its record says at the end."""

from datetime import timedelta
from itertools import pairwise

from shared.job import FINAL, RESCUE, TRANSITIONS, Status
from tests.harness.counting import WatchedJobs
from tests.harness.world import World, moment
from tests.steps.conftest import Open

TRIGGERING, RUNNING, COPYING = Status.TRIGGERING, Status.RUNNING, Status.COPYING
QUEUED, SUCCEEDED, FAILED, CANCELED = Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELED


async def test_a_request_becomes_a_stored_image(here: World) -> None:
    answer = await here.post("a golden retriever", resolution="1K")
    assert answer.status_code == 202
    assert answer.json()["status"] == "running"
    (job,) = await here.end_of(answer.json()["id"])
    assert job["status"] == "succeeded"
    assert (job["prompt"], job["workflow"], job["imageCount"]) == ("a golden retriever", "default", 1)
    assert job["imageUrls"] == [job["images"][0]["url"]] == [f"{answer.json()['imageUrl']}/0"]
    assert (job["errorCode"], job["possibleDuplicate"], job["waitReason"]) == (None, False, None)
    assert job["requestId"].startswith("req_")
    assert 15 <= job["runSeconds"] <= 25


async def test_the_image_is_the_one_that_was_made(here: World) -> None:
    (job,) = await here.end_of(await here.accepted(format="webp"))
    (run,) = (await here.simulated("/_runs?pictures=true"))["runs"]
    (made,), (stored,) = run["pictures"], job["images"]
    assert {name: stored[name] for name in ("sha256", "bytes", "contentType", "width", "height")} == {
        name: made[name] for name in ("sha256", "bytes", "contentType", "width", "height")
    }
    assert stored["sourceUrl"] == made["url"]


async def test_fields_that_are_not_ours_go_to_wireflow_as_they_came(here: World) -> None:
    fields = {"resolution": "2K", "nested": {"a": [1, [2.5, None]]}, "website": "w"}
    await here.accepted("a cat", **fields, allowPartial=True, deadlineSeconds=600, workflow="default")
    (run,) = here.simulator.state.runs.all()
    assert dict(run.body) == {"prompt": "a cat", "aspect_ratio": "64:1", **fields}


async def test_the_states_follow_each_other_as_drawn(open_world: Open) -> None:
    async with open_world(wrap=WatchedJobs) as here:
        straight = await here.accepted()
        here.vendor.always("trigger", 402)
        refused = await here.accepted()
        here.vendor.reset()
        canceled = await here.accepted()
        await here.http.delete(f"/jobs/{canceled}")
        asked = await here.accepted("[fault:hang]")
        failed = await here.accepted("[fault:moderation]")
        late = await here.accepted("[fault:never_ends]")
        await here.end_of(straight, refused, asked, failed, late)
        found = {job_id: here.store.states[job_id] for job_id in (straight, refused, canceled, failed)}
        assert found == {
            straight: [TRIGGERING, RUNNING, COPYING, SUCCEEDED],
            refused: [TRIGGERING, QUEUED, TRIGGERING, RUNNING, COPYING, SUCCEEDED],
            canceled: [QUEUED, CANCELED],
            failed: [QUEUED, TRIGGERING, RUNNING, FAILED],
        }
        assert here.store.states[asked][-4:] == [TRIGGERING, RUNNING, COPYING, SUCCEEDED]
        for states in here.store.states.values():
            assert all(after in TRANSITIONS[before] for before, after in pairwise(states)), states


def test_every_state_leads_to_a_final_one() -> None:
    assert {SUCCEEDED, FAILED, CANCELED} == FINAL
    reached = set(FINAL)
    for _ in Status:
        reached |= {state for state, following in TRANSITIONS.items() if following & reached}
    assert reached == set(Status)
    assert RESCUE == (FAILED, COPYING)


async def test_a_job_is_done_soon_after_its_image_is_there(here: World) -> None:
    job_id = await here.accepted()
    (job,) = await here.end_of(job_id)
    (run,) = here.simulator.state.runs.all()
    assert moment(job["completedAt"]) - run.ends_at <= timedelta(seconds=10)


async def test_a_job_that_has_ended_wants_nothing_more(here: World) -> None:
    ids = [await here.accepted(prompt) for prompt in ("a cat", "[fault:failed]")]
    await here.end_of(*ids)
    for job_id in ids:
        record = await here.record(job_id)
        assert (record.due_at, record.queue_at) == (None, None)


async def test_every_event_of_a_job_names_it_and_nothing_secret(here: World) -> None:
    job_id = await here.accepted("a very secret prompt")
    await here.end_of(job_id)
    events = [line["event"] for line in here.log() if line.get("jobId") == job_id]
    assert events == ["job_accepted", "job_started", "job_stored"]
    for secret in ("secret prompt", "demo-webhook", "sk-simulator"):
        assert secret not in here.lines.getvalue()


async def test_no_log_line_quotes_wireflow_either(here: World) -> None:
    """Its words may hold the prompt, its address holds the webhook's id."""
    for fault in ("bad_request", "moderation", "redirect", "html_error"):
        await here.accepted(f"hush [fault:{fault}]")
    await here.run_for(timedelta(minutes=5))
    for secret in ("hush", "demo-webhook", "sk-simulator", "content policy", "/trigger"):
        assert secret not in here.lines.getvalue()
