"""`jobs` acts on the state of `serve`, and in the same way on a deployment."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from functions.cli.api import Api
from functions.cli.jobs import JobFilter, find_jobs
from tests.cli.command import Command, Result, eventually, read_until, result_of
from tests.servers.process import free_port

FINAL = ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class Served:
    """A running `serve`."""

    command: Command
    url: str

    def submit(self, prompt: str, **fields: Any) -> str:
        """Submit a job and return its ID."""
        job_id: str = httpx.post(self.url, json={"prompt": prompt, **fields}, timeout=30).json()["id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = httpx.get(f"{self.url}/jobs/{job_id}", timeout=30).json()
        return job

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No job starts. The trigger notices a pause a second later."""
        assert self.command.invoke("control", "pause").code == 0
        try:
            eventually(lambda: self._wait_reason() == "paused")
            yield
        finally:
            assert self.command.invoke("control", "resume").code == 0

    def _wait_reason(self) -> str | None:
        quote: dict[str, Any] = httpx.post(self.url, json={"prompt": "a cat", "dryRun": True}, timeout=30).json()
        return quote["waitReason"]

    def finished(self, prompt: str) -> str:
        """Submit a job, wait until it is final, and return its ID."""
        job_id = self.submit(prompt)
        eventually(lambda: self.job(job_id)["status"] in FINAL)
        return job_id


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    command = Command(tmp_path_factory.mktemp("served"))
    port = free_port()
    quick = {"SIMULATOR_RUN_SECONDS": "0.3", "EXECUTIONS_PER_MINUTE": "0", "DAILY_EXECUTIONS": "0"}
    with command.in_background("serve", "--port", str(port), **quick):
        eventually(lambda: "Ctrl-C" in (command.folder / "output.txt").read_text())
        yield Served(command, f"http://127.0.0.1:{port}")


@pytest.fixture
def jobs(served: Served) -> Callable[..., Result]:
    """Run `jobs …` against the state of `serve`."""
    return lambda *arguments, **environ: served.command.invoke("jobs", *arguments, **environ)


def test_a_deployment_shows_the_same_as_the_state_of_this_machine(served: Served, jobs: Callable[..., Result]):
    job_id, deployment = served.finished("a cat"), ("--url", served.url)
    assert json.loads(jobs("show", job_id, "--json").out) == json.loads(jobs("show", job_id, "--json", *deployment).out)
    assert job_id in jobs("list", *deployment).out


def test_jobs_are_listed_and_filtered(served: Served, jobs: Callable[..., Result]):
    failed, succeeded = served.finished("a cat [fault:moderation]"), served.finished("a dog")
    lines = jobs("list", COLUMNS="100").out.splitlines()
    assert lines[1].startswith(f"{succeeded}  succeeded ")
    assert lines[1].endswith("$0.20  a dog")
    assert lines[2].startswith(f"{failed}  failed ")
    assert "$0.00  moderation: a cat" in lines[2]
    only_failed = json.loads(jobs("list", "--status", "failed", "--since", "2026-01-01", "--limit", "1", "--json").out)
    assert [job["id"] for job in only_failed["jobs"]] == [failed]
    assert jobs("list", "--workflow", "other").out == "No jobs.\n"


@pytest.mark.parametrize(("limit", "pages"), [(20, [20]), (230, [100, 100, 30]), (1000, [100, 100, 100])])
async def test_a_list_goes_over_several_pages(limit: int, pages: list[int]):
    stored, asked = [{"id": f"{number:032x}"} for number in range(250)], []

    def respond(request: httpx.Request) -> httpx.Response:
        start, count = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
        asked.append(count)
        cursor = str(start + count) if start + count < len(stored) else None
        return httpx.Response(200, json={"jobs": stored[start : start + count], "nextCursor": cursor})

    async with httpx.AsyncClient(base_url="http://trigger.test", transport=httpx.MockTransport(respond)) as http:
        assert await find_jobs(JobFilter(limit=limit), Api(http)) == stored[:limit]
    assert asked == pages


def test_the_history_of_a_job_is_shown(served: Served, jobs: Callable[..., Result]):
    job_id = served.finished("a cat [fault:several_images]")
    job = served.job(job_id)
    out = jobs("show", job_id).out
    for text in (job["executionId"], job["requestId"], *job["imageUrls"], *(one["sha256"] for one in job["images"])):
        assert f"{text}\n" in out
    assert "attempt 1: HTTP 202, Wireflow started " in out
    assert "attempt 1: HTTP 200, the run has ended\n" in out
    assert json.loads(jobs("show", job_id, "--json").out)["images"] == job["images"]


def test_a_job_is_watched_until_it_is_final(served: Served, jobs: Callable[..., Result]):
    job_id = served.submit("a cat [fault:rate_limited_seconds]")
    result = jobs("watch", job_id, "--json")
    seen = [json.loads(line) for line in result.out.splitlines()]
    assert (result.code, {job["id"] for job in seen}) == (0, {job_id}), result.err
    assert (seen[0]["status"], seen[-1]["status"]) == ("queued", "succeeded")


def test_watching_a_job_that_fails_ends_with_1_and_says_why(served: Served, jobs: Callable[..., Result]):
    result = jobs("watch", served.submit("a cat [fault:moderation]"))
    assert result.code == 1
    assert result.out.splitlines()[-1].split("  ")[-2:] == ["failed", "moderation, $0.00"]
    assert "content policy violation" in result.err


def test_all_jobs_are_watched_until_the_interrupt_which_is_no_failure(served: Served):
    with ExitStack() as paused:
        paused.enter_context(served.paused())
        job_id = served.submit("a cat")
        with served.command.started("jobs", "watch") as process:
            read_until(process, f"{job_id}  queued  paused")
            paused.close()
            read_until(process, f"{job_id}  succeeded")
            process.send_signal(signal.SIGINT)
            result = result_of(process)
    assert (result.code, result.err) == (0, "Stopped.\n")


def test_a_queued_job_is_canceled(served: Served, jobs: Callable[..., Result]):
    with served.paused():
        job_id = served.submit("a cat")
        assert jobs("cancel", job_id).out == "The job is canceled.\n"
        again = jobs("cancel", job_id)
        assert (again.code, "Only queued jobs can be canceled" in again.err) == (2, True)


def test_a_retry_shows_its_price_and_is_paid_once_with_an_agreement(served: Served, jobs: Callable[..., Result]):
    job_id = served.finished("a cat [fault:moderation]")
    asked = jobs("retry", job_id)
    assert (asked.code, asked.out) == (2, "")
    assert (
        "Attempt 1 failed (moderation). It was not charged. The same request would probably fail again. " in asked.err
    )
    assert "again. A retry costs about $0.20. Retry the job?" in asked.err
    assert served.job(job_id)["attempt"] == 1

    assert jobs("retry", job_id, "--yes").out == "Attempt 2 is queued.\n"
    eventually(lambda: served.job(job_id)["status"] == "failed" and len(served.job(job_id)["attempts"]) == 2)
    shown = jobs("show", job_id).out
    assert [f"attempt {number} failed" in shown for number in (1, 2, 3)] == [True, True, False]
    assert f"\n    python -m functions jobs retry {job_id}\n" in shown


def test_what_is_not_possible_is_invalid_usage(served: Served, jobs: Callable[..., Result]):
    job_id = served.finished("a cat")
    for action in (["retry"], ["retry", "--yes"], ["recopy"]):
        result = jobs(action[0], job_id, *action[1:])
        assert (result.code, result.out) == (2, "")
        assert "The request was rejected: " in result.err
        assert "$" not in result.err  # no question about the price of a retry that is not possible


def test_missing_images_are_copied_again(served: Served, jobs: Callable[..., Result]):
    job_id = served.finished("a cat [fault:not_an_image]")
    assert jobs("recopy", job_id).out == "The images are being copied again.\n"
    eventually(lambda: served.job(job_id)["status"] in FINAL)


def test_a_job_is_erased_with_an_agreement(served: Served, jobs: Callable[..., Result]):
    job_id = served.finished("a cat [fault:bad_request]")
    asked = jobs("erase", job_id)
    assert (asked.code, asked.out, f"Erase job {job_id}?" in asked.err) == (2, "", True)
    assert served.job(job_id)["status"] == "failed"
    assert jobs("erase", job_id, "--yes").out == "The job is erased.\n"
    assert json.loads(jobs("erase", job_id, "--yes", "--json").out) == {"id": job_id}, "a repeat does nothing"
    shown = jobs("show", job_id)
    assert (shown.code, "The job was erased" in shown.err) == (2, True)
    assert job_id not in jobs("list").out


def test_jobs_are_erased_by_their_workflow_status_and_age(served: Served, jobs: Callable[..., Result]):
    ids = [served.submit(f"cat {number} [fault:bad_request]", workflow="pro") for number in range(3)]
    eventually(lambda: all(served.job(job_id)["status"] == "failed" for job_id in ids))
    chosen = ("--workflow", "pro", "--status", "failed")
    asked = jobs("erase", *chosen)
    assert (asked.code, "Erase 3 jobs?" in asked.err) == (2, True)
    for others in (("--until", "2020-01-01"), ("--batch", "0" * 32)):
        assert jobs("erase", *chosen, *others, "--yes").out == "0 jobs erased.\n"
    done = json.loads(jobs("erase", *chosen, "--since", "2020-01-01", "--yes", "--json").out)
    assert (done["action"], done["dryRun"], done["done"], sorted(done["jobs"])) == ("erase", False, 3, sorted(ids))
    assert jobs("list", "--workflow", "pro").out == "No jobs.\n"


def test_a_job_that_is_not_final_is_not_erased(served: Served, jobs: Callable[..., Result]):
    with served.paused():
        job_id = served.submit("a cat")
        result = jobs("erase", job_id, "--yes")
        assert (result.code, "Only final jobs can be erased" in result.err) == (2, True)
        assert jobs("cancel", job_id).code == 0


def test_what_is_erased_must_be_chosen_in_one_way(jobs: Callable[..., Result]):
    both = ["0" * 32, "--status", "failed"]
    for arguments, words in (([], "Name a job, or choose jobs by --caller"), (both, "or choose jobs, not both.")):
        result = jobs("erase", *arguments, "--yes")
        assert (result.code, words in result.err) == (2, True)


@pytest.mark.parametrize("command", ["show", "watch", "erase", "cancel", "redeliver", "recopy", "retry"])
def test_an_unknown_job_is_invalid_usage(served: Served, command: str):
    for job_id in ("0" * 32, "1f3a9c"):
        agreed = ["--yes"] if command == "erase" else []
        result = served.command.invoke("jobs", command, job_id, *agreed)
        assert (result.code, result.out) == (2, "")


def test_a_deployment_that_does_not_respond_is_a_failure(command: Command):
    result = command.invoke("jobs", "list", "--url", f"http://127.0.0.1:{free_port()}")
    assert (result.code, result.out) == (1, "")
    assert "did not respond" in result.err


def test_a_job_store_is_reached_by_its_url_too(served: Served, command: Command):
    job_id = served.finished("a cat")
    shown = command.invoke("jobs", "show", job_id, JOBS_URL=f"sqlite:///{served.command.folder}/.local/serve/jobs.db")
    assert (shown.code, served.job(job_id)["executionId"] in shown.out) == (0, True), shown.err


def test_a_folder_without_state_is_named(command: Command):
    result = command.invoke("jobs", "list")
    assert (result.code, "Start `serve` first" in result.err, "--url" in result.err) == (2, True, True)


def test_a_deployment_wants_a_token(command: Command):
    token, setting = command.run("token", "zapier").out.splitlines()
    port = free_port()
    with command.started("serve", "--port", str(port), TRIGGER_TOKENS=setting) as process:
        read_until(process, "Ctrl-C")
        place = ("--url", f"http://127.0.0.1:{port}")
        refused = command.invoke("jobs", "list", *place)
        assert (refused.code, "token" in refused.err) == (2, True)
        assert command.invoke("jobs", "list", *place, "--token", token).out == "No jobs.\n"
        assert command.invoke("jobs", "list", *place, WIREFLOW_IMAGES_TOKEN=token).out == "No jobs.\n"
        assert command.invoke("jobs", "list").out == "No jobs.\n"  # who can read the store needs no token
