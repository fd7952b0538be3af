"""Where local state is stored: `.local/` in the current folder.

`.local/live` belongs to the real Wireflow, `.local/serve`, `.local/batch`, and `.local/simulate` to the simulator.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from functions.cli.errors import SetupError

STATE = Path(".local")


@contextmanager
def locked_state_folder(name: str) -> Iterator[Path]:
    """Create `.local/{name}` if necessary and lock it. Raises SetupError while another command holds the lock."""
    folder = create_folder(STATE / name)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(f"Another command is using {folder}. Stop it first.") from None
        yield folder


def create_folder(folder: Path) -> Path:
    """Create the folder if it does not exist, and return it. Raises SetupError if files cannot be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"Cannot create the folder {folder}: {error.strerror}.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SetupError(f"Cannot write to the folder {folder}.")
    return folder
