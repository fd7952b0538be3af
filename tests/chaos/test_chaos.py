"""With every fault at once no job is lost, none is paid twice unmarked, and what is reported is there."""

import json
import re
from typing import Any

from functions.simulator.faults import FAULTS
from shared.error_codes import EXPLANATIONS, ErrorCode, Explanation
from shared.log import Event
from shared.public_job import WOULD_FAIL_AGAIN
from shared.spending.money import micros
from shared.steps import prepare
from shared.wireflow.signed_urls import unsigned
from tests.chaos.chaos_run import SECRET_WORD, Report
from tests.processes.product import API_KEY, WEBHOOK_ID
from tests.processes.spend_watch import LIMITS

FREE = {"moderation", "content_checker", "failed", "error_word"}  # a model that failed is not charged


def test_there_were_many_faults(report: Report) -> None:
    assert len(report.faults) > min(len(FAULTS), len(report.jobs)) / 3
    assert report.faults.total() > len(report.jobs) / 2
    assert report.paid_by("trigger")
    assert report.paid_by("poller")


def test_every_job_is_final_or_says_what_it_waits_for(report: Report) -> None:
    silent = [job for job in report.unfinished if not job["waitReason"]]
    assert not silent
    for job in report.unfinished:
        known = EXPLANATIONS[ErrorCode(job["waitReason"])]
        assert known.message in job["message"]
        assert known.wait_hint in job["message"]
        assert job["estimatedStartAt"]


def test_no_request_is_lost_and_a_retry_makes_no_second_job(report: Report) -> None:
    assert {job_id: job["prompt"] for job_id, job in report.jobs.items()} == report.accepted
    assert len(set(report.accepted.values())) == len(report.accepted)
    assert report.repeats
    assert [again for _, again in report.repeats] == [first for first, _ in report.repeats]


def test_no_prompt_is_paid_twice_unmarked_and_none_if_keys_are_honored(report: Report) -> None:
    marked = {job["prompt"] for job in report.jobs.values() if job["possibleDuplicate"]}
    assert {prompt for prompt, runs in report.paid.items() if runs > 1} <= marked
    assert max(report.paid.values()) <= (1 if report.keys == "honored" else 2)


def test_the_gate_counts_at_least_what_the_jobs_have_cost(report: Report) -> None:
    costs = [job["cost"]["amount"] for job in report.jobs.values() if job["cost"]]
    assert sum(costs) > 0
    assert report.reserved >= sum(map(micros, costs))


def test_limits_in_money_hold_jobs_and_no_state_of_the_gate_exceeds_one(report: Report) -> None:
    assert report.spending.held.keys() == LIMITS.keys()
    assert report.spending.states
    assert report.spending.exceeded == []


def test_each_run_begins_with_the_image_that_its_caller_sent(report: Report) -> None:
    images = {post.prompts[0]: post.image for post in report.posts}
    assert any(run["input"] for run in report.runs)
    assert [run["input"] for run in report.runs] == [images.get(run["prompt"]) for run in report.runs]


def test_input_images_are_deleted_when_their_job_is_final(report: Report) -> None:
    assert report.inputs == []


def test_every_image_of_a_job_that_succeeded_is_there_and_is_the_one_of_its_run(report: Report) -> None:
    runs = {run["executionId"]: run for run in report.runs}
    succeeded = [job for job in report.jobs.values() if job["status"] == "succeeded"]
    assert len(succeeded) > len(report.jobs) / 3
    assert len({job["executionId"] for job in succeeded}) == len(succeeded)
    for job in succeeded:
        drawn = [image["sha256"] for image in runs[job["executionId"]]["pictures"]]
        assert [report.served[url] for url in job["imageUrls"]] == drawn
        assert [image["sha256"] for image in job["images"]] == drawn


def test_nothing_is_reported_that_is_not_there(report: Report) -> None:
    runs = {run["executionId"]: run for run in report.runs}
    for job in report.jobs.values():
        run = runs[job["executionId"]] if job["executionId"] else {"prompt": job["prompt"], "pictures": []}
        drawn = {unsigned(image["url"]): image["sha256"] for image in run["pictures"]}
        stored = [image for image in job["images"] if image["url"]]
        assert run["prompt"] == job["prompt"]
        assert [image["url"] for image in stored] == job["imageUrls"]
        assert job["imageCount"] == len(stored)
        for image in stored:
            assert report.served[image["url"]] == image["sha256"] == drawn[unsigned(image["sourceUrl"])]


def hint_of(known: Explanation, job: dict[str, Any]) -> str:
    """Return the pattern of the hint: what to do, and the requests that do it."""
    hints = [known.failed_hint, prepare.HINT]
    if job["imageUrls"]:  # it cannot be retried
        hints = [re.sub("retry this job", "send a new request", hint, flags=re.IGNORECASE) for hint in hints]
    what = "|".join(map(re.escape, hints))
    url, body = job["statusUrl"], json.dumps({"confirm": True, "attempt": job["attempt"]})
    again = f"(Or, to|To) pay for another run: POST {re.escape(url)}/retry with {re.escape(body)}\\."
    retry = again if known.retryable else f"{WOULD_FAIL_AGAIN} {again}".replace("run:", "run anyway:")
    recopy = f"To copy the missing images again, for free: POST {url}/recopy."
    new = "The job cannot be retried: send a new request with a new Idempotency-Key for another run."
    return f"({what})( {re.escape(recopy)})? ({retry}|{re.escape(new)})"


def test_a_job_that_failed_says_why_whether_it_cost_money_and_what_to_do(report: Report) -> None:
    for job in report.jobs.values():
        if job["status"] != "failed":
            assert job["errorCode"] is job["errorCharged"] is None
            continue
        known = EXPLANATIONS[ErrorCode(job["errorCode"])]
        assert re.fullmatch(hint_of(known, job), job["errorHint"], re.IGNORECASE), job["errorHint"]
        assert job["errorRetryable"] is (known.retryable and not job["imageUrls"])
        assert job["errorMessage"]
        assert not (job["possibleDuplicate"] and job["errorCharged"] == "no"), "the cost of the first call is unknown"
        paid = [run for run in report.runs if run["prompt"] == job["prompt"] and not FREE & set(run["faults"])]
        assert {"yes": bool(paid), "no": not paid, "unknown": True}[job["errorCharged"]], (job, paid)


def test_every_log_line_is_one_json_object_and_none_holds_a_secret(report: Report) -> None:
    secrets = (SECRET_WORD, API_KEY, WEBHOOK_ID, f"{report.vendor}/")
    for text in (*report.output.values(), *report.errors.values()):
        assert [secret for secret in secrets if secret in text] == []
    for text in report.output.values():
        events = {event_of(line) for line in text.splitlines()}
        assert events & {Event.JOB_ACCEPTED, Event.JOB_STORED}
    assert "Traceback" not in "".join(report.errors.values())


def event_of(line: str) -> str:
    entry = json.loads(line)
    assert entry["severity"] in {"INFO", "WARNING", "ERROR"}
    assert entry["message"]
    return Event(entry["event"])
