"""Under functions-framework for real: the published answers, and runs that outlive a SIGKILL."""

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
from tests.servers.process import free_port
from tests.simulator.bodies import graph, picture
from tests.simulator.conftest import GRAPH, HOOK, KEY, UPLOAD
from tests.simulator.real import ROOT, kill, running


def test_it_serves_a_run_from_trigger_to_picture_and_outlives_a_kill(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl"), "SIMULATOR_RUN_SECONDS": "0.2"}
    with running(log, port, **environ) as (url, process), httpx.Client(base_url=url) as http:
        started = http.post(HOOK, json={"prompt": "a cat"}, headers={"Idempotency-Key": "key-1"})
        assert started.status_code == 202
        run = started.json()["executionId"]
        kill(process)
    with running(log, port, **environ) as (url, _), httpx.Client(base_url=url, headers=KEY) as http:
        again = http.post(HOOK, json={"prompt": "a cat"}, headers={"Idempotency-Key": "key-1"})
        assert again.json() == started.json()
        told = http.get(f"/api/v1/workflows/executions/{run}/poll").json()
        assert told["status"] == "COMPLETED"
        (listed,) = http.get("/_runs?pictures=true").json()["runs"]
        picture = http.get(told["nodeResults"]["nodeRuns"][0]["output"]["images"][0]["url"])
        assert hashlib.sha256(picture.content).hexdigest() == listed["pictures"][0]["sha256"]


def test_it_takes_an_upload_and_a_graph_and_knows_both_after_a_kill(tmp_path: Path) -> None:
    port, log, content = free_port(), tmp_path / "log", picture(size=(300, 200))
    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl"), "SIMULATOR_RUN_SECONDS": "0"}
    with running(log, port, **environ) as (url, process), httpx.Client(base_url=url, headers=KEY) as http:
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


def test_a_large_upload_that_is_refused_hears_why(misbehaving: httpx.Client) -> None:
    large = picture() + bytes(MAX_UPLOAD_BYTES)
    file = {"file": ("cat.png", large, "image/png")}
    assert misbehaving.post(UPLOAD, files=file, timeout=20).status_code == 413
    assert httpx.post(f"{misbehaving.base_url}{UPLOAD}", files=file, timeout=20).status_code == 401
    misbehaving.post("/_faults", json={"fault": "unavailable", "times": 1, "for": "upload"})
    assert misbehaving.post(UPLOAD, files=file, timeout=20).status_code == 503


def test_an_image_elsewhere_is_fetched_over_http(misbehaving: httpx.Client, tmp_path: Path) -> None:
    with running(tmp_path / "log", SIMULATOR_RUN_SECONDS="0") as (elsewhere, _):
        run = httpx.post(elsewhere + HOOK, json={"prompt": "a cat"}).json()["executionId"]
        source = f"{elsewhere}/cdn/{run}/0.png"
        hosted = misbehaving.post(UPLOAD, json={"url": source}).json()["data"]["url"]
        assert misbehaving.get(hosted).content == httpx.get(source).content
        assert misbehaving.post(UPLOAD, json={"url": f"{elsewhere}/nowhere.png"}).status_code == 400


def test_every_run_that_was_answered_outlives_a_kill_amid_the_crowd(tmp_path: Path) -> None:
    port, log, answered = free_port(), tmp_path / "log", []

    def trigger_until_killed(url: str) -> None:
        with httpx.Client(base_url=url) as http, suppress(httpx.TransportError):
            while True:
                answered.append(http.post(HOOK, json={"prompt": "a cat"}).json()["executionId"])

    environ = {"SIMULATOR_STATE": str(tmp_path / "runs.jsonl")}
    with running(log, port, **environ) as (url, process), ThreadPoolExecutor(4) as crowd:
        for _ in range(4):
            crowd.submit(trigger_until_killed, url)
        while len(answered) < 40:
            time.sleep(0.01)
        kill(process)
    with running(log, port, **environ) as (url, _):
        known = {run["executionId"] for run in httpx.get(f"{url}/_runs").json()["runs"]}
    assert set(answered) <= known
    assert len(known) - len(answered) <= 4


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One process for every fault of the wire; its slow answers take 0.6 s."""
    log = tmp_path_factory.mktemp("simulator") / "log"
    settings = {"SIMULATOR_RUN_SECONDS": "0", "SIMULATOR_SLOW_SECONDS": "0.6"}
    with running(log, **settings) as (url, _), httpx.Client(base_url=url, headers=KEY) as http:
        yield http
    assert "Traceback" not in log.read_text()


def picture_struck_by(http: httpx.Client, fault: str, timeout: float = 5) -> httpx.Response:
    run = http.post(HOOK, json={"prompt": f"a cat [fault:{fault}@cdn]"}).json()["executionId"]
    return http.get(f"/cdn/{run}/0.png", timeout=timeout)


@pytest.mark.parametrize("fault", ["cut_in_header", "cut_in_body", "wrong_content_length"])
def test_a_connection_that_ends_too_early_is_seen_by_the_client(misbehaving: httpx.Client, fault: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        picture_struck_by(misbehaving, fault)


def test_an_early_end_without_a_length_is_seen_by_no_client(misbehaving: httpx.Client) -> None:
    struck = picture_struck_by(misbehaving, "early_end")
    assert struck.is_success
    assert not {"content-length", "transfer-encoding"} & set(struck.headers)
    assert struck.content.startswith(b"\x89PNG")
    assert b"IEND" not in struck.content


@pytest.mark.parametrize("fault", ["hang", "slow_first_byte"])
def test_nothing_comes_in_time(misbehaving: httpx.Client, fault: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        picture_struck_by(misbehaving, fault, timeout=0.3)


def test_a_hung_trigger_has_started_its_run_or_not(misbehaving: httpx.Client) -> None:
    for fault, started in (("hang", 0), ("hang_after_start", 1)):
        before = misbehaving.get("/_stats").json()["paidRuns"]
        with pytest.raises(httpx.ReadTimeout):
            misbehaving.post(HOOK, json={"prompt": f"a cat [fault:{fault}]"}, timeout=0.3)
        assert misbehaving.get("/_stats").json()["paidRuns"] - before == started


def test_a_slow_first_byte_and_a_trickle_bring_it_all_in_the_end(misbehaving: httpx.Client) -> None:
    for fault in ("slow_first_byte", "trickle"):
        struck = picture_struck_by(misbehaving, fault)
        assert struck.content.endswith(b"IEND\xaeB`\x82")
        assert struck.elapsed.total_seconds() > 0.5


def test_a_trickle_comes_in_drops(misbehaving: httpx.Client) -> None:
    run = misbehaving.post(HOOK, json={"prompt": "a cat [fault:trickle@cdn]"}).json()["executionId"]
    with misbehaving.stream("GET", f"/cdn/{run}/0.png", timeout=5) as struck:
        assert len(list(struck.iter_raw())) > 10


def test_a_wrong_setting_stops_the_start_and_is_named() -> None:
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
