"""systemd's part in tests: its notification socket, its socket activation (the real tool), its filters of system calls.

No service manager is ever started here: `systemd-socket-activate` and `systemd-analyze` do without one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.daemonkit import Daemon, wait_for
from tests.world import PROJECT, World, softhsm

UNITS = PROJECT / "softhsm-config" / "systemd"
UNPACKED = PROJECT / "var" / "softhsm" / "unpacked-systemd"
PASSED_ON = ("SOFTHSM2_CONF", "PYTHONPATH", "PATH", "LD_LIBRARY_PATH")


def tool(name: str) -> str:
    """A program of the package systemd."""
    found = shutil.which(name) or shutil.which(name, path=str(PROJECT / "var" / "softhsm" / "systemd-bin"))
    if found is None:
        pytest.fail(f"{name} is not there: install the package systemd, or run softhsm-config/systemd.sh", False)
    return found


class Manager:
    """What a service says to systemd, in order. ``environment``: what systemd would set for it."""

    def __init__(self, folder: Path, watchdog: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = Path(tempfile.mkdtemp(dir=folder, prefix="n")) / "notify"
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        weakref.finalize(self, self._socket.close)
        self._heard: list[str] = []
        self.environment = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog is not None:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

    @property
    def heard(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard += self._socket.recv(4_096).decode().splitlines()
        return self._heard

    def count(self, word: str) -> int:
        return self.heard.count(word)

    def wait_for(self, word: str, times: int = 1, seconds: float = 30.0) -> None:
        wait_for(lambda: self.count(word) >= times, seconds)

    @property
    def status(self) -> str:
        return [word for word in self.heard if word.startswith("STATUS=")][-1].removeprefix("STATUS=")


class Activation:
    """``systemd-socket-activate`` with a program behind it; a context manager. ``log``: what both write."""

    def __init__(
        self,
        world: World,
        program: Sequence[str],
        listen: Mapping[str, Path],
        *options: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = world.folder / f"activation-{os.urandom(4).hex()}.log"
        settings = {name: world.env[name] for name in PASSED_ON if name in world.env}
        settings |= {**world.more_env, **(environment or {})}
        self._command = [
            tool("systemd-socket-activate"),
            *options,
            *(f"--listen={path}" for path in listen.values()),
            *(f"--setenv={name}={value}" for name, value in settings.items()),
            *program,
        ]
        self._paths = tuple(listen.values())
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(lambda: self.log.count("Listening on") == len(self._paths), 30)
        for path in self._paths:
            path.chmod(0o660)  # as SocketMode= of a unit would
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()


def engine_command(world: World, *before: str) -> list[str]:
    """As in the engine's unit."""
    arguments = ["--config", str(world.config), "--token", "0", "--service"]
    return [*before, sys.executable, "-P", "-m", "appliance.engine", *arguments]


def engines_of_systemd(world: World, user: str) -> Path:
    """Have the configuration say that systemd starts the engines; their socket."""
    path = world.folder / "engine.sock"
    text = world.config.read_text("utf-8")
    world.config.write_text(f'{text}\n[engine]\nsocket = "{path}"\ndaemon_user = "{user}"\n', "utf-8")
    return path


@contextlib.contextmanager
def served_by_systemd(
    world: World, user: str, manager: Manager | None = None, before: Sequence[str] = ()
) -> Iterator[Activation]:
    """Engines start at every connection to their socket."""
    path = engines_of_systemd(world, user)
    environment = None if manager is None else manager.environment
    with Activation(
        world, engine_command(world, *before), {"connection": path}, "--accept", environment=environment
    ) as one:
        yield one


def lines_of(unit: str, key: str) -> list[str]:
    """The values of a key in a unit, in order."""
    text = (UNITS / unit).read_text("utf-8")
    return re.findall(rf"^{re.escape(key)}=(.*)$", text, re.MULTILINE)


__all__ = ["Activation", "Daemon", "Manager", "engines_of_systemd", "lines_of", "served_by_systemd", "softhsm", "tool"]
