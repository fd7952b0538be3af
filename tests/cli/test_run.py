"""One prompt, one command: on real processes, from the request to the file."""

import hashlib
import json
import signal
from pathlib import Path

import pytest

from tests.cli.command import Command, alive, ended, groups
from tests.simulator.real import running


def test_the_job_is_printed_as_json_and_the_files_hold_its_images(command: Command):
    result = command.run("run", "A golden retriever in a sunlit meadow [fault:several_images]", "--json", "--out", "o")
    assert result.code == 0, result.err
    job = json.loads(result.out)
    assert job["status"] == "succeeded"
    assert job["imageUrl"].endswith(f"/jobs/{job['id']}/image")
    stem = f"a-golden-retriever-in-a-sunlit-meadow-{job['id'][:6]}"
    names = [f"{stem}.png", f"{stem}-2.png", f"{stem}-3.png"]
    assert sorted(path.name for path in (command.folder / "o").iterdir()) == sorted(names)
    for name, image in zip(names, job["images"], strict=True):
        content = (command.folder / "o" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == image["sha256"]
        assert (len(content), image["contentType"]) == (image["bytes"], "image/png")
        assert image["width"] == image["height"] == 1024
    assert list(command.temporary.iterdir()) == []


def test_a_failed_job_says_why_whether_it_cost_money_and_what_to_do(command: Command):
    result = command.run("run", "a cat [fault:moderation]")
    assert result.code == 1
    assert "failed" in result.out
    assert "[fault:moderation]" in result.out
    for words in ("content policy violation", "It was not charged.", "Change the prompt"):
        assert words in result.err


def test_a_job_that_goes_on_at_the_timeout_is_named(command: Command):
    result = command.run("run", "a cat", "--json", "--timeout", "1", SIMULATOR_RUN_SECONDS="600")
    assert result.code == 3
    job = json.loads(result.out)
    assert f"job {job['id']} is still {job['status']} after 1 s" in result.err


def test_a_prompt_that_the_trigger_refuses_is_wrong_usage(command: Command):
    result = command.run("run", "  ", "--json")
    assert (result.code, result.out) == (2, "")
    assert "The prompt is blank" in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_no_file(command: Command, number: int):
    with command.started("run", "a cat", SIMULATOR_RUN_SECONDS="600") as process:
        assert process.stderr is not None
        while "running" not in process.stderr.readline():
            assert process.poll() is None
        started = groups(process)
        assert len(started) == 3
        process.send_signal(number)
        assert ended(process).code == 130
    assert alive(started) == []
    assert list(command.temporary.iterdir()) == []


def test_live_work_uses_the_wireflow_of_the_environment_and_is_kept(command: Command, tmp_path: Path):
    with running(tmp_path / "log", SIMULATOR_RUN_SECONDS="1", SIMULATOR_API_KEY="sk-other") as (url, _):
        settings = {
            "WIREFLOW_BASE_URL": f"{url}/api/v1",
            "WIREFLOW_WEBHOOK_ID": "demo-webhook",
            "WIREFLOW_API_KEY": "sk-other",
            "IMAGE_HOSTS": url.removeprefix("http://"),
            "ALLOW_PRIVATE_NETWORK": "true",
        }
        result = command.run("run", "a cat", "--json", "--live", **settings)
    assert result.code == 0, result.err
    job = json.loads(result.out)
    kept = command.folder / ".local" / "live"
    assert (kept / "jobs.db").stat().st_size > 0
    (image,) = (kept / "images" / "jobs" / job["id"]).rglob("*.png")
    assert hashlib.sha256(image.read_bytes()).hexdigest() == job["images"][0]["sha256"]
