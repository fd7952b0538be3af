"""A process group is ended whole, also when its leader is gone or does not listen."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from functions.cli.errors import NotStarted
from functions.cli.processes import Process, Server, running
from tests.cli.command import alive, eventually
from tests.servers.process import free_port

# Answers every GET, starts a child, and neither of them ends when it is told to.
STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Server):
    """A server that is a script of the test."""

    text: str

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.text, str(self.port)]


def script(text: str) -> Script:
    return Script(name="script", port=free_port(), environ={}, text=text)


@pytest.mark.parametrize("impatient", [False, True])
async def test_what_does_not_end_is_killed_with_its_children(tmp_path: Path, impatient: bool):
    groups: set[int] = set()
    began = asyncio.Event()

    async def work() -> None:
        async with running([script(STUBBORN)], tmp_path, grace=600 if impatient else 0.2) as processes:
            groups.update(process.group for process in processes)
            eventually(lambda: len(alive(groups)) == 2)
            began.set()

    task = asyncio.ensure_future(work())
    await began.wait()
    if impatient:
        await asyncio.sleep(0.2)
        task.cancel()
    await asyncio.wait([task], timeout=10)
    assert alive(groups) == []


async def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path):
    with pytest.raises(NotStarted, match=r"the script did not start; its last words:\n  no such luck"):
        async with running([script("raise SystemExit('no such luck')")], tmp_path, grace=0):
            pytest.fail("it did not start")


def test_a_signal_to_a_group_that_is_gone_reaches_nobody(tmp_path: Path):
    process = Process(script(""), tmp_path / "log")
    process.wait()
    assert process.signal(0) is False
    assert isinstance(process.exit_code, int)
