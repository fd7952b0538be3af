"""`run`: one prompt from the request to the image file."""

import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command, children, eventually, result_of
from tests.simulator.real import running

TWO_RUNS = """
import asyncio, os
from pathlib import Path
from functions.cli.output import RunOutput
from functions.cli.run import RunOptions, run
from functions.cli.run_request import RunRequest

before = dict(os.environ)
for _ in range(2):
    options = RunOptions(request=RunRequest(prompt="a cat"), out=Path("."), timeout=60, live=False)
    asyncio.run(run(options, os.environ, RunOutput(as_json=True)))
assert dict(os.environ) == before
"""

PRO = {
    "WIREFLOW_WORKFLOWS": json.dumps(
        {
            "pro": {
                "mode": "execute",
                "id": "p",
                "model": "nano_banana_pro",
                "overridable": ["aspect_ratio", "resolution"],
            },
            "saved": {"mode": "run", "id": "s"},
        }
    )
}


def test_the_job_is_printed_as_json_and_its_images_are_written_to_files(command: Command):
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


def test_a_spend_limit_can_be_tried_with_the_simulator(command: Command):
    result = command.run("run", "a cat", "--timeout", "0", DAILY_SPEND_USD="1")
    assert result.code == 3, result.err  # the settings are valid, and the job was accepted


def test_a_failed_job_says_why_whether_it_cost_money_and_what_to_do(command: Command):
    result = command.run("run", "a cat [fault:moderation]")
    assert result.code == 1
    assert "failed" in result.out
    assert "[fault:moderation]" in result.out
    assert result.err.count("content policy violation") == 1
    for words in ("content policy violation", "It was not charged.", "Change the prompt"):
        assert words in result.err


def test_a_job_that_is_not_finished_at_the_timeout_is_named(command: Command):
    result = command.run("run", "a cat", "--json", "--timeout", "10", SIMULATOR_RUN_SECONDS="600")
    assert result.code == 3
    job = json.loads(result.out)
    assert f"The job {job['id']} is still {job['status']} after 10 s" in result.err


def test_the_timeout_includes_the_submission(command: Command):
    slow = {"SIMULATOR_SLOW_SECONDS": "600"}
    started_at = time.monotonic()
    result = command.run("run", "a cat [fault:slow_first_byte]", "--timeout", "2", **slow)
    assert (result.code, result.out) == (3, "")
    assert "No job was accepted within 2 s." in result.err
    assert time.monotonic() - started_at < 15  # the paid call alone would take 8 seconds, and be repeated


def test_the_options_of_a_request_reach_the_workflow(command: Command):
    fields = ("--field", "metadata.order=a=b", "--field", "metadata.shop=1", "--field", "altText=Fox")
    result = command.run("run", "a fox", "--aspect-ratio", "9:16", "--resolution", "1k", *fields, "--json")
    assert result.code == 0, result.err
    job = json.loads(result.out)
    assert (job["images"][0]["width"], job["images"][0]["height"]) == (576, 1024)
    assert (job["metadata"], job["altText"]) == ({"order": "a=b", "shop": "1"}, "Fox")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--aspect-ratio", "16x9"], "--aspect-ratio: no model has '16x9'"),
        (["--resolution", "9K"], "--resolution: no model has '9K'"),
        (["--workflow", "pro", "--resolution", "512"], "resolution: Must be one of 1K, 2K, 4K."),
        (["--workflow", "pro", "--field", "style=oil"], "style: The workflow pro has no such field."),
        (["--workflow", "best"], "pro, saved"),
        (["--field", "style"], "'style' is not NAME=VALUE"),
        (["--field", "workflow=pro"], "--field workflow: use --workflow instead."),
        (["--field", "dryRun=true"], "--field dryRun: `run` cannot send this field."),
        (["--field", "resolution=1K", "--resolution", "2K"], "--resolution sets the same field"),
        (["--field", "allowPartial=maybe"], "allowPartial must be true or false"),
        (["--field", "deadlineSeconds=-1"], "deadlineSeconds must be a number of seconds"),
        (["--out", "file/images"], "Cannot create the folder file/images"),
        (["--timeout", "-1"], "--timeout"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(command: Command, arguments: list[str], words: str):
    (command.folder / "file").touch()
    result = command.invoke("run", "a cat", *arguments, "--live", WIREFLOW_WEBHOOK_ID="w", WIREFLOW_API_KEY="k", **PRO)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert not (command.folder / ".local").exists()


def test_where_the_file_is_is_printed_with_the_cost(command: Command):
    result = command.run("run", "a cat", "--out", "images")
    (path,) = (command.folder / "images").iterdir()
    assert result.out.endswith(f"\nfile         images/{path.name}\n")
    assert "\ncost         $0.20 (price)\n" in result.out


def test_open_shows_the_image_in_the_default_viewer(command: Command):
    viewer = command.folder / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\necho "$1" > {command.folder}/opened\n')
    viewer.chmod(0o755)
    result = command.run("run", "a cat", "--json", "--open", PATH=f"{viewer.parent}:{os.environ['PATH']}")
    assert result.code == 0, result.err
    (path,) = command.folder.glob("a-cat-*.png")
    eventually(lambda: (command.folder / "opened").exists() and (command.folder / "opened").read_text() == f"{path}\n")


def test_without_a_viewer_open_is_a_message(command: Command):
    result = command.run("run", "a cat", "--json", "--open", PATH="/nowhere")
    assert result.code == 0, result.err
    assert "no program that opens images was found" in result.err


def test_a_prompt_that_the_trigger_rejects_is_invalid_usage(command: Command):
    result = command.run("run", "  ", "--json")
    assert (result.code, result.out) == (2, "")
    assert "The prompt is missing or blank" in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_server_and_no_file(command: Command, number: int):
    with command.started("run", "a cat", SIMULATOR_RUN_SECONDS="600") as process:
        assert process.stderr is not None
        assert "running" in process.stderr.readline()
        assert children(process) == []
        process.send_signal(number)
        process.send_signal(number)  # an impatient second signal does not interrupt the cleanup
        assert result_of(process).code == 130
    assert list(command.temporary.iterdir()) == []


def test_only_the_state_of_the_job_is_printed_while_it_runs(command: Command):
    result = command.run("run", "a cat", "--json")
    assert len(result.out.splitlines()) == 1
    *progress, path = result.err.splitlines()
    assert path.endswith(".png")
    assert all(re.fullmatch(r" *\d+\.\d s  (triggering|running|copying|succeeded): .*", line) for line in progress)


def test_two_runs_in_one_process_and_one_folder_change_neither_the_environment_nor_each_other(command: Command):
    result = command.run_script(TWO_RUNS)
    assert result.code == 0, result.err
    first, second = (json.loads(line) for line in result.out.splitlines())
    assert first["id"] != second["id"]
    assert len(list(command.folder.glob("a-cat-*.png"))) == 2
    for job in (first, second):
        with pytest.raises(httpx.ConnectError):
            httpx.get(job["statusUrl"], trust_env=False)


def test_variables_that_functions_framework_reads_have_no_effect(command: Command):
    variables = {"LOG_EXECUTION_ID": "true", "FUNCTION_SIGNATURE_TYPE": "event", "DEBUG": "app:*", "WORKERS": "4"}
    result = command.run("run", "a cat", "--json", **variables)
    assert result.code == 0, result.err
    assert json.loads(result.out)["status"] == "succeeded"


def test_live_jobs_use_the_wireflow_of_the_environment_and_are_kept(command: Command, tmp_path: Path):
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
