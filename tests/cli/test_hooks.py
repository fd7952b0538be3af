"""`hooks` manages the receivers of `serve`, and `jobs redeliver` notifies them again."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from standardwebhooks import Webhook

from tests.cli.command import Command, eventually, read_until
from tests.servers.process import free_port


class Receiver(ThreadingHTTPServer):
    """Records the messages that it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.messages: list[tuple[dict[str, str], bytes]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.messages.append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_hook_is_added_notified_rotated_and_removed(command: Command, receiver: Receiver):
    settings = {"SIMULATOR_RUN_SECONDS": "0.2"}
    url, port = f"http://{receiver.host}/images?secret=1", free_port()
    with command.started("serve", "--port", str(port), **settings) as process:
        read_until(process, "Ctrl-C")
        assert command.invoke("hooks", "list").out == "No hooks.\n"
        added = command.invoke("hooks", "add", url, "--event", "image.completed")
        assert added.code == 0, added.err
        hook_id, secret = (added.out.split(f"{name} ")[1].split()[0] for name in ("hook", "secret"))
        assert f"URL          {url}\n" in added.out

        job_id = httpx.post(f"http://127.0.0.1:{port}", json={"prompt": "a cat"}, timeout=20).json()["id"]
        eventually(lambda: len(receiver.messages) == 1)
        headers, body = receiver.messages[0]
        assert Webhook(secret).verify(body, headers)["data"]["id"] == job_id
        assert f"image.completed delivered: HTTP 204, 1 attempt\n    http://{receiver.host}/images\n" in (
            command.invoke("jobs", "show", job_id).out
        )

        assert command.invoke("jobs", "redeliver", job_id).out == "1 delivery is pending.\n"
        eventually(lambda: len(receiver.messages) == 2)
        assert receiver.messages[1][0]["webhook-id"] == headers["webhook-id"]

        rotated = json.loads(command.invoke("hooks", "rotate", hook_id, "--json").out)
        assert rotated["secret"] not in (secret, None)
        listed = command.invoke("hooks", "list", "--json", "--url", f"http://127.0.0.1:{port}")
        assert [hook["id"] for hook in json.loads(listed.out)["hooks"]] == [hook_id]
        assert secret not in listed.out
        for _ in range(2):
            assert command.invoke("hooks", "remove", hook_id).out == "The hook is deleted.\n"
        unknown = command.invoke("hooks", "rotate", hook_id)
        assert (unknown.code, "no hook with this id" in unknown.err) == (2, True)


@pytest.mark.parametrize("hook_id", ["foo", "../jobs", "F" * 32])
def test_what_is_not_the_id_of_a_hook_is_invalid_usage(command: Command, hook_id: str):
    for name in ("remove", "rotate"):
        result = command.invoke("hooks", name, hook_id)
        assert (result.code, "`hooks list`" in result.err) == (2, True)


def test_what_the_trigger_does_not_accept_is_invalid_usage(command: Command):
    with command.started("serve", "--port", str(free_port())) as process:
        read_until(process, "Ctrl-C")
        for arguments in (["http://receiver.example"], ["https://receiver.example", "--event", "image.started"]):
            result = command.invoke("hooks", "add", *arguments)
            assert (result.code, result.out) == (2, "")
