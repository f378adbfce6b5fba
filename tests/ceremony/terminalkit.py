"""A person at a terminal of their own: reads until something appears, then types an answer that may depend on it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ceremonykit import _ON_TERMINAL, Stage

SECONDS = 60


class Terminal:
    """The command line at a pseudo-terminal; a context manager that ends it."""

    def __init__(self, stage: Stage, *arguments: str, term: str = "xterm") -> None:
        self._controller, self._terminal = pty.openpty()
        command = [sys.executable, "-m", "keyceremony.cli", *arguments]
        wrapped = [sys.executable, "-c", _ON_TERMINAL, os.ttyname(self._terminal), *command]
        environment = {**stage.env, "TERM": term}
        self.process = subprocess.Popen(wrapped, env=environment, cwd=stage.folder, start_new_session=True)
        self.shown = ""
        self._read_to = 0

    def until(self, text: str) -> str:
        """Wait for a text; what has been shown since the last call, up to and including it."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown[self._read_to :]:
            ended = self.process.poll() is not None
            if not self._read() and ended:
                raise AssertionError(f"ended without {text!r}:\n{self.shown}")
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.shown}"
        end = self.shown.index(text, self._read_to) + len(text)
        part, self._read_to = self.shown[self._read_to : end], end
        return part

    def type(self, line: str = "") -> None:
        os.write(self._controller, line.encode() + b"\n")

    def end(self) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None:
            self._read()
            assert time.monotonic() < deadline, f"it does not end:\n{self.shown}"
        while self._read():
            pass
        return self.process.returncode

    def interrupt(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def known_to_others(self) -> str:
        """What every user of the machine can read of the process while it runs, and what its own user can."""
        folder = Path(f"/proc/{self.process.pid}")
        return (folder / "cmdline").read_bytes().decode() + _environ(folder)

    def _read(self) -> bool:
        if not select.select([self._controller], [], [], 0.2)[0]:
            return False
        self.shown += os.read(self._controller, 65536).decode(errors="replace")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._controller)
        os.close(self._terminal)


def _environ(folder: Path) -> str:
    """A process's environment; of one that is not dumpable only root can read it, which is as good."""
    if os.geteuid() == 0:
        return (folder / "environ").read_bytes().decode()
    assert (folder / "environ").stat().st_uid == 0
    return ""
