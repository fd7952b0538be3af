"""In a real process under functions-framework: broken connections, and runs that survive a SIGKILL."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from functions.simulator.files import MAX_UPLOAD_BYTES
from tests.servers.process import IDLE_LIMITS, free_port
from tests.simulator.bodies import graph, image_file
from tests.simulator.conftest import GRAPH, HOOK, KEY, UPLOAD
from tests.simulator.real import ROOT, kill, running


def test_a_run_is_served_from_trigger_to_image_and_survives_a_kill(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl"), "SIMULATOR_RUN_SECONDS": "0.2"}
    with running(log, port, **environ) as (url, process), httpx.Client(base_url=url) as http:
        started = http.post(HOOK, json={"prompt": "a cat"}, headers={"Idempotency-Key": "key-1"})
        assert started.status_code == 202
        run = started.json()["executionId"]
        kill(process)
    with running(log, port, **environ) as (url, _), httpx.Client(base_url=url, limits=IDLE_LIMITS, headers=KEY) as http:
        again = http.post(HOOK, json={"prompt": "a cat"}, headers={"Idempotency-Key": "key-1"})
        assert again.json() == started.json()
        reported = http.get(f"/api/v1/workflows/executions/{run}/poll").json()
        assert reported["status"] == "COMPLETED"
        (listed,) = http.get("/_runs?pictures=true").json()["runs"]
        image = http.get(reported["nodeResults"]["nodeRuns"][0]["output"]["images"][0]["url"])
        assert hashlib.sha256(image.content).hexdigest() == listed["pictures"][0]["sha256"]


def test_an_upload_and_a_graph_survive_a_kill(tmp_path: Path) -> None:
    port, log, content = free_port(), tmp_path / "log", image_file(size=(300, 200))
    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl"), "SIMULATOR_RUN_SECONDS": "0"}
    with (
        running(log, port, **environ) as (url, process),
        httpx.Client(base_url=url, limits=IDLE_LIMITS, headers=KEY) as http,
    ):
        hosted = http.post(UPLOAD, files={"file": ("cat.png", content, "image/png")}).json()["data"]["url"]
        again = http.post(UPLOAD, json={"url": hosted})
        assert again.json()["data"]["url"] == hosted
        assert http.post(GRAPH, json=graph(image1=hosted)).status_code == 201
        before = http.get("/_runs?pictures=true").json()
        kill(process)
    with running(log, port, **environ) as (url, _):
        assert httpx.get(hosted).content == content
        after = httpx.get(f"{url}/_runs?pictures=true").json()
    assert after == before
    assert after["runs"][0]["input"] == hashlib.sha256(content).hexdigest()


def test_the_client_of_a_rejected_large_upload_receives_the_error(faulty: httpx.Client) -> None:
    large = image_file() + bytes(MAX_UPLOAD_BYTES)
    file = {"file": ("cat.png", large, "image/png")}
    assert faulty.post(UPLOAD, files=file, timeout=20).status_code == 413
    assert httpx.post(f"{faulty.base_url}{UPLOAD}", files=file, timeout=20).status_code == 401
    faulty.post("/_faults", json={"fault": "unavailable", "times": 1, "for": "upload"})
    assert faulty.post(UPLOAD, files=file, timeout=20).status_code == 503


def test_an_image_on_another_host_is_fetched_over_http(faulty: httpx.Client, tmp_path: Path) -> None:
    with running(tmp_path / "log", SIMULATOR_RUN_SECONDS="0") as (elsewhere, _):
        run = httpx.post(elsewhere + HOOK, json={"prompt": "a cat"}).json()["executionId"]
        source = f"{elsewhere}/cdn/{run}/0.png"
        hosted = faulty.post(UPLOAD, json={"url": source}).json()["data"]["url"]
        assert faulty.get(hosted).content == httpx.get(source).content
        assert faulty.post(UPLOAD, json={"url": f"{elsewhere}/nowhere.png"}).status_code == 400


def test_every_confirmed_run_survives_a_kill_under_load(tmp_path: Path) -> None:
    port, log, confirmed = free_port(), tmp_path / "log", []

    def trigger_until_killed(url: str) -> None:
        with httpx.Client(base_url=url) as http, suppress(httpx.TransportError):
            while True:
                confirmed.append(http.post(HOOK, json={"prompt": "a cat"}).json()["executionId"])

    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl")}
    with running(log, port, **environ) as (url, process), ThreadPoolExecutor(4) as clients:
        for _ in range(4):
            clients.submit(trigger_until_killed, url)
        while len(confirmed) < 40:
            time.sleep(0.01)
        kill(process)
    with running(log, port, **environ) as (url, _):
        known = {run["executionId"] for run in httpx.get(f"{url}/_runs").json()["runs"]}
    assert set(confirmed) <= known
    assert len(known) - len(confirmed) <= 4


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One process for all faults of the connection; its slow responses take 0.6 s."""
    log = tmp_path_factory.mktemp("simulator") / "log"
    settings = {"SIMULATOR_RUN_SECONDS": "0", "SIMULATOR_SLOW_SECONDS": "0.6"}
    with running(log, **settings) as (url, _), httpx.Client(base_url=url, limits=IDLE_LIMITS, headers=KEY) as http:
        yield http
    assert "Traceback" not in log.read_text()


def image_with_fault(http: httpx.Client, fault: str, timeout: float = 5) -> httpx.Response:
    run = http.post(HOOK, json={"prompt": f"a cat [fault:{fault}@cdn]"}).json()["executionId"]
    return http.get(f"/cdn/{run}/0.png", timeout=timeout)


@pytest.mark.parametrize("fault", ["cut_in_header", "cut_in_body", "wrong_content_length"])
def test_the_client_notices_a_connection_that_ends_too_early(faulty: httpx.Client, fault: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        image_with_fault(faulty, fault)


def test_no_client_notices_an_early_end_without_a_length(faulty: httpx.Client) -> None:
    response = image_with_fault(faulty, "early_end")
    assert response.is_success
    assert not {"content-length", "transfer-encoding"} & set(response.headers)
    assert response.content.startswith(b"\x89PNG")
    assert b"IEND" not in response.content


@pytest.mark.parametrize("fault", ["hang", "slow_first_byte"])
def test_the_client_times_out(faulty: httpx.Client, fault: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        image_with_fault(faulty, fault, timeout=0.3)


def test_a_hanging_trigger_has_started_its_run_or_not(faulty: httpx.Client) -> None:
    for fault, started in (("hang", 0), ("hang_after_start", 1)):
        before = faulty.get("/_stats").json()["paidRuns"]
        with pytest.raises(httpx.ReadTimeout):
            faulty.post(HOOK, json={"prompt": f"a cat [fault:{fault}]"}, timeout=0.3)
        assert faulty.get("/_stats").json()["paidRuns"] - before == started


def test_a_slow_first_byte_and_a_trickle_are_complete_in_the_end(faulty: httpx.Client) -> None:
    for fault in ("slow_first_byte", "trickle"):
        response = image_with_fault(faulty, fault)
        assert response.content.endswith(b"IEND\xaeB`\x82")
        assert response.elapsed.total_seconds() > 0.5


def test_a_trickle_arrives_in_chunks(faulty: httpx.Client) -> None:
    run = faulty.post(HOOK, json={"prompt": "a cat [fault:trickle@cdn]"}).json()["executionId"]
    with faulty.stream("GET", f"/cdn/{run}/0.png", timeout=5) as response:
        assert len(list(response.iter_raw())) > 10


def test_an_invalid_setting_stops_the_start_and_is_named() -> None:
    command = [sys.executable, "-m", "functions_framework", "--source", "functions/simulator/main.py"]
    ended = subprocess.run(
        [*command, "--target", "simulator", "--port", str(free_port())],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "SIMULATOR_PLAN": "gold"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode != 0
    assert "SIMULATOR_PLAN" in ended.stderr
