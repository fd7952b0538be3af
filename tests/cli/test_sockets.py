"""Sockets on 127.0.0.1 that listen before a server runs."""

import socket
from pathlib import Path

import pytest

from functions.cli.errors import SetupError
from functions.cli.sockets import listen, listen_on_saved_port, port_of, url_of


def test_a_connection_is_accepted_before_a_server_runs():
    with listen() as listener, socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5):
        assert url_of(listener) == f"http://127.0.0.1:{port_of(listener)}"


def test_a_port_in_use_is_named():
    with listen() as listener, pytest.raises(SetupError, match=f"port {port_of(listener)} of 127.0.0.1: .* in use"):
        listen(port_of(listener))


def test_a_saved_port_is_used_again_while_it_is_free(tmp_path: Path):
    file = tmp_path / "port"
    with listen_on_saved_port(file) as listener:
        port = port_of(listener)
    with listen_on_saved_port(file) as listener:
        assert port_of(listener) == port
        with listen_on_saved_port(file) as other:
            assert port_of(other) != port
            assert file.read_text() == str(port_of(other))


def test_a_damaged_file_counts_as_no_saved_port(tmp_path: Path):
    file = tmp_path / "port"
    file.write_text("eighty")
    with listen_on_saved_port(file) as listener:
        assert file.read_text() == str(port_of(listener))
