"""`serve` and `simulate`: servers that run until they are interrupted, and whose jobs survive a restart."""

import hashlib
import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.cli.command import Command, children, eventually, read_until, result_of
from tests.servers.process import free_port

URL = re.compile(r"^(simulator|trigger|poller) +(http://127\.0\.0\.1:\d+)$", re.MULTILINE)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def urls_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the URL of each server, as it is printed when all of them listen."""
    return dict(URL.findall(read_until(process, "Ctrl-C")))


def listens(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False, timeout=10)
    except httpx.ConnectError:
        return False
    return True


def test_three_servers_run_in_one_process_each_on_its_own_port(command: Command):
    with command.started("serve", "--port", str(free_port())) as process:
        urls = urls_of(process)
        assert urls.keys() == {"simulator", "trigger", "poller"}
        page = httpx.get(f"{urls['trigger']}/", headers={"Accept": "text/html"})
        assert "text/html" in page.headers["content-type"]
        assert len(set(urls.values())) == 3
        assert httpx.get(f"{urls['simulator']}/_stats").status_code == 200
        assert httpx.get(f"{urls['trigger']}/health").status_code == 200
        assert httpx.get(f"{urls['poller']}/health").status_code == 200
        assert children(process) == []
        process.send_signal(signal.SIGINT)
        result = result_of(process)
    assert (result.code, result.err) == (0, "Stopped.\n")
    assert not any(listens(url) for url in urls.values())


def test_a_paid_call_in_flight_finishes_before_the_servers_stop(command: Command):
    prompt = {"prompt": "a cat [fault:slow_first_byte]"}
    with command.started("serve", "--port", str(free_port()), SIMULATOR_SLOW_SECONDS="1.5") as process:
        urls = urls_of(process)
        with ThreadPoolExecutor() as pool:
            posted = pool.submit(httpx.post, urls["trigger"], json=prompt, timeout=20)
            eventually(lambda: httpx.get(f"{urls['simulator']}/_stats").json()["starts"] == 1)
            for _ in range(3):
                process.send_signal(signal.SIGINT)
            assert (posted.result().status_code, posted.result().json()["status"]) == (202, "running")
        assert result_of(process).code == 0
    assert not any(listens(url) for url in urls.values())


def test_each_event_is_one_readable_line_and_the_log_files_have_json(command: Command):
    with command.started("serve", "--port", str(free_port()), SIMULATOR_RUN_SECONDS="0") as process:
        urls = urls_of(process)
        job = httpx.post(urls["trigger"], json={"prompt": "a cat"}, timeout=20).headers["location"]
        eventually(lambda: httpx.get(urls["trigger"] + job).json()["status"] == "succeeded")
        process.send_signal(signal.SIGINT)
        result = result_of(process)
    assert result.err == "Stopped.\n"
    job_id = job.removeprefix("/jobs/")
    assert [line.split()[1:3] for line in result.out.split("\n") if line] == [
        [job_id, label] for label in ("accepted", "started", "stored")
    ]
    events = [
        json.loads(line)["event"]
        for name in ("trigger", "poller")
        for line in (command.folder / ".local" / "serve" / f"{name}.log").read_text().splitlines()
    ]
    assert [event for event in events if event != "window"] == ["job_accepted", "job_started", "job_stored"]


def test_standard_output_is_json_only_for_machines(command: Command):
    arguments = ("--port", str(free_port()), "--log-format", "json")
    with command.started("serve", *arguments, SIMULATOR_RUN_SECONDS="0") as process:
        assert process.stderr is not None
        trigger = next(line.split()[1] for line in process.stderr if line.startswith("trigger"))
        httpx.post(trigger, json={"prompt": "a cat"}, timeout=20)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "job_accepted"
        process.send_signal(signal.SIGINT)
        result = result_of(process)
    assert all(json.loads(line)["event"] for line in result.out.splitlines())
    assert result.err.endswith("Stopped.\n")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"FORM_ORIGINS": "https://forms.example"},
        {"FORM_ORIGINS": "https://forms.example", "FORM_REQUIRE_TOKEN": "true"},
        {"FORM_ORIGINS": "https://forms.example", "TRIGGER_TOKENS": json.dumps({"zap": sha256(b"secret")})},
    ],
    ids=["open", "forms", "form-token", "token"],
)
def test_the_suggested_command_makes_a_job(command: Command, settings: dict[str, str]):
    with command.started("serve", "--port", str(free_port()), **settings) as process:
        commands = read_until(process, "Ctrl-C").partition("Try it")[2].splitlines()[1:]
        script = "\n".join(line for line in commands if line.startswith("  "))
        environ = {**os.environ, "TOKEN": "secret"}
        sent = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert sent.stdout.startswith("HTTP/1.1 202 "), sent.stdout


@pytest.mark.slow  # waits for a lease
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
        process.send_signal(signal.SIGINT)
        assert result_of(process).code == 0

    with command.started("serve", "--port", str(port), SIMULATOR_RUN_SECONDS="1") as process:
        read_until(process, "Ctrl-C")
        assert job(finished)["statusUrl"] == f"{url}{finished}"
        image = httpx.get(job(finished)["imageUrl"], timeout=10).content
        assert hashlib.sha256(image).hexdigest() == job(finished)["images"][0]["sha256"]
        eventually(lambda: job(unfinished)["status"] == "succeeded")
        assert job(unfinished)["possibleDuplicate"] is False


def test_authentication_is_that_of_the_environment_and_a_new_token_is_accepted(command: Command):
    token, setting = command.run("token", "zapier").out.splitlines()
    url = f"http://127.0.0.1:{(port := free_port())}"
    auth = {"TRIGGER_TOKENS": setting, "FORM_ORIGINS": "https://forms.example", "TRIGGER_PUBLIC": "false"}
    with command.started("serve", "--port", str(port), **auth, SIMULATOR_RUN_SECONDS="1") as process:
        printed = read_until(process, "Ctrl-C")
        assert '-H "Authorization: Bearer $TOKEN"' in printed
        assert "TRIGGER_TOKENS, FORM_ORIGINS" in printed
        assert "default, pro, saved" in printed
        with httpx.Client(base_url=url, timeout=20) as http:
            assert http.post("/", json={"prompt": "a cat"}).status_code == 401
            assert http.post("/", json={"prompt": "a cat"}, headers={"Origin": "https://x.example"}).status_code == 401
            http.headers["Authorization"] = f"Bearer {token}"
            assert [one["name"] for one in http.get("/workflows").json()["workflows"]] == ["default", "pro", "saved"]
            location = http.post("/", json={"prompt": "a cat", "workflow": "pro", "resolution": "1K"}).headers[
                "location"
            ]
            eventually(lambda: http.get(location).json()["status"] == "succeeded")
            assert http.get(location).json()["caller"] == "zapier"


def test_a_second_serve_in_the_same_folder_is_rejected(command: Command):
    with command.started("serve", "--port", str(free_port())) as process:
        read_until(process, "Ctrl-C")
        second = command.run("serve", "--port", str(free_port()))
        assert (second.code, ".local/serve" in second.err) == (2, True)


def test_the_simulator_alone_answers_until_it_is_interrupted(command: Command):
    port = free_port()
    with command.started("simulate", "--port", str(port)) as process:
        read_until(process, "Ctrl-C")
        url = f"http://127.0.0.1:{port}"
        httpx.post(f"{url}/api/v1/workflow/demo-webhook/trigger", json={"prompt": "a cat"}, timeout=10)
        assert "202  POST /api/v1/workflow/demo-webhook/trigger" in read_until(process, "POST")
        assert (command.folder / ".local" / "simulate" / "wireflow.jsonl").stat().st_size > 0
        process.send_signal(signal.SIGINT)
        assert result_of(process).code == 0
