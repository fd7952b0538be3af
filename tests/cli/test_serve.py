"""What is kept up stays up, survives a restart, and leaves nothing behind."""

import hashlib
import os
import signal
import subprocess
from typing import Any

import httpx

from tests.cli.command import Command, alive, ended, eventually, groups
from tests.servers.process import free_port


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it has written up to these words."""
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, ended(process).err
        text += line
    return text


def test_jobs_finished_and_unfinished_survive_a_restart(command: Command):
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def job(path: str) -> dict[str, Any]:
        return httpx.get(f"{url}{path}", timeout=10).json()

    with command.started("serve", "--port", str(port), SIMULATOR_RUN_SECONDS="1") as process:
        assert f"curl -i {url}/ " in read_until(process, "Ctrl-C")
        finished = httpx.post(url, json={"prompt": "a cat"}, timeout=20).headers["location"]
        eventually(lambda: job(finished)["status"] == "succeeded")
        unfinished = httpx.post(url, json={"prompt": "a dog"}, timeout=20).headers["location"]
        started = groups(process)
        process.send_signal(signal.SIGINT)
        assert ended(process).code == 130
    assert alive(started) == []

    with command.started("serve", "--port", str(port), SIMULATOR_RUN_SECONDS="1") as process:
        read_until(process, "Ctrl-C")
        assert job(finished)["statusUrl"] == f"{url}{finished}"
        picture = httpx.get(job(finished)["imageUrl"], timeout=10).content
        assert hashlib.sha256(picture).hexdigest() == job(finished)["images"][0]["sha256"]
        eventually(lambda: job(unfinished)["status"] == "succeeded")
        assert job(unfinished)["possibleDuplicate"] is False


def test_the_doors_of_the_environment_are_kept_and_a_new_token_opens_one(command: Command):
    token, setting = command.run("token", "zapier").out.splitlines()
    url = f"http://127.0.0.1:{(port := free_port())}"
    doors = {"TRIGGER_TOKENS": setting, "FORM_ORIGINS": "https://forms.example", "TRIGGER_PUBLIC": "false"}
    with command.started("serve", "--port", str(port), **doors, SIMULATOR_RUN_SECONDS="1") as process:
        told = read_until(process, "Ctrl-C")
        assert '-H "Authorization: Bearer $TOKEN"' in told
        assert "TRIGGER_TOKENS, FORM_ORIGINS" in told
        assert "default, pro, saved" in told
        with httpx.Client(base_url=url, timeout=20) as http:
            assert http.post("/", json={"prompt": "a cat"}).status_code == 401
            assert http.post("/", json={"prompt": "a cat"}, headers={"Origin": "https://x.example"}).status_code == 401
            http.headers["Authorization"] = f"Bearer {token}"
            assert [one["name"] for one in http.get("/workflows").json()["workflows"]] == ["default", "pro", "saved"]
            made = http.post("/", json={"prompt": "a cat", "workflow": "pro", "resolution": "1K"}).headers["location"]
            eventually(lambda: http.get(made).json()["status"] == "succeeded")
            assert http.get(made).json()["caller"] == "zapier"


def test_a_process_that_ends_by_itself_is_named_and_takes_the_others_along(command: Command):
    port = free_port()
    with command.started("serve", "--port", str(port)) as process:
        read_until(process, "Ctrl-C")
        second = command.run("serve", "--port", str(free_port()))
        assert (second.code, ".local/serve" in second.err) == (2, True)
        started = groups(process)
        os.killpg(min(started), signal.SIGKILL)  # the first that was started
        result = ended(process)
    assert result.code == 1
    assert "the simulator ended by itself (exit code -9)" in result.err
    assert alive(started) == []


def test_the_simulator_alone_answers_until_it_is_interrupted(command: Command):
    port = free_port()
    with command.started("simulate", "--port", str(port)) as process:
        read_until(process, "Ctrl-C")
        url = f"http://127.0.0.1:{port}"
        httpx.post(f"{url}/api/v1/workflow/demo-webhook/trigger", json={"prompt": "a cat"}, timeout=10)
        assert (command.folder / ".local" / "simulate" / "wireflow.jsonl").stat().st_size > 0
        process.send_signal(signal.SIGINT)
        assert ended(process).code == 130
