"""Nothing accepted is lost and nothing is paid twice unmarked, whenever a process dies."""

from collections import Counter

from shared.job import FINAL
from tests.crash.siege import Report


def test_every_accepted_job_ends(report: Report):
    unfinished = {job_id: job["status"] for job_id, job in report.jobs.items() if job["status"] not in FINAL}
    assert not unfinished
    assert len(report.accepted) > report.kills.total()


def test_a_job_fails_only_if_two_kills_left_its_paid_call_open(report: Report):
    failed = {job_id for job_id, job in report.jobs.items() if job["status"] != "succeeded"}
    assert failed == report.unknown
    assert all(len(report.hits.get(job_id, ())) >= 2 for job_id in report.unknown), report.hits


def test_a_second_run_is_marked_and_is_not_there_if_keys_are_honoured(report: Report):
    marked = {report.jobs[job_id]["prompt"] for job_id in report.marked}
    assert report.paid_twice <= marked
    assert max(Counter(run["prompt"] for run in report.runs).values()) <= 2
    if report.case.keys == "honoured":
        assert not report.paid_twice


def test_a_mark_is_only_on_a_job_whose_paid_call_a_kill_left_open(report: Report):
    assert report.marked <= set(report.hits)


def test_every_image_is_the_one_of_the_job_s_run(report: Report):
    runs = {run["executionId"]: run for run in report.runs}
    succeeded = {job_id: job for job_id, job in report.jobs.items() if job["status"] == "succeeded"}
    assert len({job["executionId"] for job in succeeded.values()}) == len(succeeded)
    for job_id, job in succeeded.items():
        run = runs[job["executionId"]]
        assert run["prompt"] == job["prompt"]
        assert [picture["sha256"] for picture in run["pictures"]] == [report.served[job_id]]
