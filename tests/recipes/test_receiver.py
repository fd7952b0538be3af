"""The recipe "Receiver": the hook of its command, and both servers as they are written."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.notifications.signing import new_secret, signature
from tests.recipes.deployment import SECONDS, TOKEN, Deployment
from tests.recipes.readme_blocks import blocks, filled_in
from tests.servers.process import free_port

COMMANDS = {"python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "--eval"]}


@dataclass(frozen=True)
class Receiver:
    """A receiver of the recipe, running. Its output goes to a file."""

    url: str
    secret: str
    out: Path


@pytest.fixture(scope="module")
def receivers(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Receiver]]:
    """All that can run here. Their hooks are created before there is a job."""
    folder = tmp_path_factory.mktemp("receivers")
    with ExitStack() as running:
        yield {
            language: running.enter_context(receiving(language, folder / language, deployment))
            for language, command in COMMANDS.items()
            if shutil.which(command[0])
        }


@contextmanager
def receiving(language: str, out: Path, deployment: Deployment) -> Iterator[Receiver]:
    """Create a hook as the recipe does, and run its receiver."""
    url = f"http://127.0.0.1:{(port := free_port())}/"
    secret = create_hook(deployment, url)["secret"]
    (code,) = blocks("Receiver", language)
    environ = {"PATH": os.environ["PATH"], "HOOK_SECRET": secret, "PORT": str(port)}
    with out.open("wb") as file:
        process = subprocess.Popen([*COMMANDS[language], code], env=environ, stdout=file, stderr=file)
    try:
        eventually(lambda: is_up(url), out)
        yield Receiver(url, secret, out)
    finally:
        process.kill()
        process.wait()


def is_up(url: str) -> bool:
    try:
        return httpx.post(url, trust_env=False).status_code == 401
    except httpx.TransportError:
        return False


def eventually(done: Callable[[], bool], out: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.1)


def create_hook(deployment: Deployment, receiver: str) -> dict[str, str]:
    """Run the command of the recipe."""
    (code,) = blocks("Receiver", "bash")
    code = filled_in(code, deployment.trigger, TOKEN).replace("https://RECEIVER/", receiver)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("language", COMMANDS)
def test_the_receiver_takes_our_messages_and_no_others(
    language: str, deployment: Deployment, receivers: dict[str, Receiver]
) -> None:
    if language not in receivers:
        pytest.skip(f"{COMMANDS[language][0]} is not installed")
    receiver, prompt = receivers[language], f"a heron for the receiver in {language}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    deployment.http.post(deployment.trigger, json={"prompt": prompt}, headers=headers).raise_for_status()
    job = deployment.finished(prompt)
    line = f"{job['id']}-1-succeeded image.completed {job['imageUrl']}\n"
    eventually(lambda: line in receiver.out.read_text(), receiver.out)
    forged, now = b'{"type": "image.completed", "data": {"imageUrl": "https://forged.test"}}', int(time.time())
    for secret, at in ((new_secret(b"x" * 32), now), (receiver.secret, now - 301), (receiver.secret, now + 320)):
        signed = {"webhook-id": "1", "webhook-timestamp": str(at)}
        signed["webhook-signature"] = signature(secret, "1", at, forged)
        assert httpx.post(receiver.url, content=forged, headers=signed, trust_env=False).status_code == 401
    assert "forged" not in receiver.out.read_text()


def test_the_receivers_have_about_twenty_lines() -> None:
    for language in COMMANDS:
        (code,) = blocks("Receiver", language)
        assert len([line for line in code.splitlines() if line.strip()]) <= 20
