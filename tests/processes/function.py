"""A function as a real process under functions-framework: started, killed, and started again on the same port."""

import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.servers.process import answers, free_port, is_free

ROOT = Path(__file__).parents[2]
FRAMEWORK = Path(sysconfig.get_path("scripts")) / "functions-framework"
READY_SECONDS = 60.0


class Function:
    """One function on a port of 127.0.0.1, in a process group of its own: gunicorn forks, so signals go to the group.

    Standard output and error go to `{name}.out` and `{name}.err` in `logs`, across restarts. Without `source` the
    framework loads `main.py` of `folder`, as on the platform. `ready` is a path that answers 200.
    """

    def __init__(
        self,
        target: str,
        logs: Path,
        environ: Mapping[str, str],
        *,
        name: str | None = None,
        port: int | None = None,
        folder: Path = ROOT,
        source: str | None = None,
        ready: str = "/health",
    ) -> None:
        self.name = name or target
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.out = logs / f"{self.name}.out"
        self.err = logs / f"{self.name}.err"
        self._command = [str(FRAMEWORK), "--target", target, "--host", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--source", source] if source else []
        # At the default level, error, gunicorn does not say that a worker died of a signal.
        logging = {"LOG_EXECUTION_ID": "false", "GUNICORN_LOG_LEVEL": "warning"}
        self._environ = {"PATH": os.environ["PATH"], **logging, **environ}
        self._folder = folder
        self._ready = self.url + ready
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it and return at once."""
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self._process

    def start(self) -> Self:
        """Start it and return once it responds. RuntimeError, with the process killed, if it does not."""
        process = self.launch()
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self._ready):
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._command} did not start:\n{self.err.read_text()[-4000:]}")
            time.sleep(0.05)
        return self

    def cpu_seconds(self) -> float:
        """Return the CPU time that the framework and its workers have used."""
        assert self._process
        used = [_cpu_units(stat, self._process.pid) for stat in Path("/proc").glob("[0-9]*/stat")]
        return sum(used) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self) -> int:
        """Return the peak memory in bytes, of all its processes together. Linux only."""
        if self._process is None:
            return 0
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return sum(_peak_memory(pid) for pid in pids if _group(pid) == self._process.pid)

    def lost_workers(self) -> list[str]:
        """Return what gunicorn logged about workers that died of a signal or exited with an error."""
        return [line for line in self.err.read_text().splitlines() if "Worker (pid:" in line]

    def kill(self) -> None:
        """Kill the framework and its workers, if they run; return when the port is free again."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        while not is_free(self.port):
            time.sleep(0.01)


def _cpu_units(stat: Path, group: int) -> int:
    """Return the user and system time of a process if it belongs to the group: proc_pid_stat(5)."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0
    return int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0


def _group(pid: int) -> int | None:
    """Return the process group, or None if the process is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _peak_memory(pid: int) -> int:
    """Return the most bytes that a process has ever had in memory. https://man7.org/linux/man-pages/man5/proc.5.html"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
