"""Listening sockets on 127.0.0.1. They listen before a server runs, so no other program can take the port."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from functions.cli.errors import SetupError

HOST = "127.0.0.1"
DEFAULT_PORT = 8080  # of the trigger


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on `port`, or on any free port for 0. Raises SetupError if the port is in use."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SetupError(
            f"Cannot listen on port {port} of {HOST}: {os.strerror(error.errno or 0)}. "
            "Stop the program that uses the port, or choose another port with --port."
        ) from error


def listen_on_saved_port(file: Path) -> socket.socket:
    """Return a socket on the port in `file`, or on a free port, which is then saved, if that one is in use.

    The image URLs in stored jobs contain the simulator's port, so it stays the same after a restart.
    """
    saved = file.read_text() if file.exists() else ""
    if saved.isdigit():
        with suppress(SetupError):
            return listen(int(saved))
    listener = listen()
    save_port(listener, file)
    return listener


def save_port(listener: socket.socket, file: Path) -> None:
    """Write the port of a listening socket to `file`, for `saved_url`."""
    file.write_text(str(port_of(listener)))


def saved_url(file: Path) -> str:
    """Return the URL of the server whose port was last written to `file`, whether it runs or not."""
    saved = file.read_text() if file.exists() else ""
    return f"http://{HOST}:{saved if saved.isdigit() else DEFAULT_PORT}"


def port_of(listener: socket.socket) -> int:
    """Return the port of a listening socket."""
    return int(listener.getsockname()[1])


def url_of(listener: socket.socket) -> str:
    """Return the URL under which a server on this socket is reached, without a slash at the end."""
    return f"http://{HOST}:{port_of(listener)}"
