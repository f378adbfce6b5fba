"""Peak memory of processes, and the daemon as a process of its own."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_SECONDS = 0.05


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("kagimori", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


def is_ready(path: Path) -> bool:
    """Whether the daemon behind the socket says it is ready."""
    try:
        connection = _UnixConnection(path)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False


@contextmanager
def daemon(
    config: Path,
    socket_path: Path,
    environment: Mapping[str, str],
    log: Path,
    program: Sequence[str] = ("-m", "appliance.cli"),
) -> Iterator[int]:
    """``appliance serve`` until the block ends; gives its process id."""
    command = [sys.executable, *program, "serve", "--config", str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 30
            while not is_ready(socket_path):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"bench: the daemon did not start; its log:\n{log.read_text()}")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def run_with_peak(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run a command that must succeed; its largest resident size, in MB.

    Raises:
        SystemExit: it failed; what it said.
    """
    peak = 0.0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=dict(environment), stdout=said, stderr=said)
        while process.poll() is None:  # not the kernel's ru_maxrss: that counts what this process had at the fork
            with suppress(OSError, SystemExit):
                peak = max(peak, peak_megabytes(process.pid))
            time.sleep(LOOK_SECONDS)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"bench: {' '.join(command[2:5])} failed:\n{said.read().decode()}")
    return peak


def children(pid: int, module: str) -> list[int]:
    """Direct children of a process, whichever thread started them, that run a module of ours."""
    listings = Path(f"/proc/{pid}/task").glob("*/children")
    every = [int(child) for listing in listings for child in listing.read_text().split()]
    return [child for child in sorted(every) if module in _words(child)]


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def peak_megabytes(pid: int) -> float:
    """Largest resident size the process has had (VmHWM), in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    raise SystemExit(f"bench: no memory figure for process {pid}")
