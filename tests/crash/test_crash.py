"""Nothing accepted is lost and nothing is paid twice unmarked, whenever a process dies."""

from collections import Counter

from shared.job_states import FINAL
from shared.spending.money import micros
from tests.crash.crash_run import Report
from tests.crash.input_images import PARTIAL, job_of
from tests.crash.senders import PRICE
from tests.processes.spend_watch import LIMITS


def test_every_accepted_job_ends(report: Report) -> None:
    unfinished = {job_id: job["status"] for job_id, job in report.jobs.items() if job["status"] not in FINAL}
    assert not unfinished
    assert {job_id: report.jobs[job_id]["prompt"] for job_id in report.accepted} == report.accepted
    assert len(report.accepted) > report.kills.total()


def test_a_batch_is_recorded_whole_or_not_at_all_and_no_request_twice(report: Report) -> None:
    assert report.torn == []
    recorded = Counter(job.prompt for job in report.stored)
    for post in report.posts:
        counts = {recorded[prompt] for prompt in post.prompts}
        assert counts == {1} if post in report.answered else counts in ({0}, {1})
    assert set(recorded) <= {prompt for post in report.posts for prompt in post.prompts}
    assert any(len(post.prompts) > 1 for post in report.answered)


def test_a_job_fails_only_if_two_kills_left_its_paid_call_open(report: Report) -> None:
    failed = {job_id for job_id, job in report.jobs.items() if job["status"] != "succeeded"}
    assert failed == report.unknown
    assert all(len(report.open_calls.get(job_id, ())) >= 2 for job_id in report.unknown), report.open_calls


def test_a_second_run_is_marked_and_does_not_happen_if_keys_are_honored(report: Report) -> None:
    marked = {report.jobs[job_id]["prompt"] for job_id in report.marked}
    assert report.paid_twice <= marked
    assert max(Counter(run["prompt"] for run in report.runs).values()) <= 2
    if report.case.keys == "honored":
        assert not report.paid_twice


def test_a_mark_is_only_on_a_job_whose_paid_call_a_kill_left_open(report: Report) -> None:
    assert report.marked <= set(report.open_calls)


def test_every_paid_run_was_reserved_before(report: Report) -> None:
    """A kill may leave a reservation without a run, never a run without a reservation."""
    assert report.reserved.this_month >= micros(PRICE) * len(report.runs)
    assert report.reserved_by_caller.this_month == report.reserved.this_month


def test_limits_in_money_hold_jobs_and_no_state_of_the_gate_exceeds_one(report: Report) -> None:
    assert report.spending.held.keys() == LIMITS.keys()
    assert report.spending.states
    assert report.spending.exceeded == []


def test_each_run_begins_with_the_image_that_its_caller_sent(report: Report) -> None:
    images = {post.prompts[0]: post.image for post in report.posts if post.image}
    assert {run["prompt"]: run["input"] for run in report.runs if run["input"]} == {
        run["prompt"]: images[run["prompt"]] for run in report.runs if run["prompt"] in images
    }
    assert all(run["input"] == images.get(run["prompt"]) for run in report.runs)


def test_what_is_uploaded_costs_nothing(report: Report) -> None:
    assert report.uploads >= len({run["prompt"] for run in report.runs if run["input"]}) > 0
    assert {run["endpoint"] for run in report.runs} == {"trigger", "run", "execute"}


def test_input_images_are_deleted_when_their_job_is_final(report: Report) -> None:
    """What may be left: files of POSTs killed before their job was recorded, partial files, and those for a retry."""
    assert {job_of(name) for name in report.kept} & set(report.jobs)
    left = [name for name in report.inputs if not name.startswith(PARTIAL)]
    kept = {job.id for job in report.stored if job.stored_input and job.retryable}
    left = [name for name in left if job_of(name) not in kept]
    assert not {job_of(name) for name in left} & set(report.jobs)
    assert len(left) <= report.unanswered_files
    assert sum(name.startswith(PARTIAL) for name in report.inputs) <= report.kills.total()
    assert not [job.id for job in report.stored if (job.stored_input or job.due_at) and job.id not in kept]


def test_every_image_is_the_one_of_its_run(report: Report) -> None:
    runs = {run["executionId"]: run for run in report.runs}
    succeeded = {job_id: job for job_id, job in report.jobs.items() if job["status"] == "succeeded"}
    assert len({job["executionId"] for job in succeeded.values()}) == len(succeeded)
    for job_id, job in succeeded.items():
        run = runs[job["executionId"]]
        assert run["prompt"] == job["prompt"]
        assert [image["sha256"] for image in run["pictures"]] == [report.served[job_id]]
