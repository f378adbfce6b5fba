"""A daemon whose audit disk can be filled: a tmpfs in a mount namespace of its own, made as small as what is on it.

Only root may look into such a namespace from outside. For anybody else the kernel refuses the daemon's writes
(RLIMIT_FSIZE) for as long as the disk is to be full.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.daemonkit import Daemon
from tests.world import World

BYTES = 2 << 30
UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation", "private")


def can_mount() -> bool:
    """Whether a tmpfs in a namespace can be mounted, and looked into."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


class DiskDaemon(Daemon):
    """``mounted``: in which of the two ways its disk becomes full."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.mounted = can_mount()

    def launch(self) -> Self:
        """Start it, in a mount namespace of its own if that can be."""
        if not self.mounted:
            return super().launch()
        self._connections = {}
        mount = f'mount -t tmpfs -o size={BYTES} none "$0" && exec "$@"'
        command = [sys.executable, *self._program, "serve", "--config", str(self.world.config)]
        with self._log.open("wb") as log:
            whole = [*UNSHARE, "sh", "-c", mount, str(self.world.audit_directory), *command]
            self.process = subprocess.Popen(whole, env=self.world.env, stdout=log, stderr=log)
        return self

    @property
    def _disk(self) -> Path:
        """The log's folder, seen from outside."""
        return Path(f"/proc/{self.pid}/root") / self.world.audit_directory.relative_to("/")

    def fill(self) -> None:
        """No more room from now on."""
        if not self.mounted:
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, hard))
            return
        for _ in range(100):  # it is written to meanwhile, and cannot become smaller than what is on it
            held = os.statvfs(self._disk)
            if self._resize((held.f_blocks - held.f_bfree) * held.f_frsize) == 0:
                return
        raise AssertionError("the disk could not be filled")

    def free(self) -> None:
        """Room again."""
        if self.mounted:
            assert self._resize(BYTES) == 0
        else:
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _resize(self, size: int) -> int:
        inside = ("nsenter", "--target", str(self.pid), "--user", "--mount", "--preserve-credentials")
        remount = ("mount", "-o", f"remount,size={size}", "none", str(self.world.audit_directory))
        return subprocess.run([*inside, *remount], capture_output=True, check=False).returncode

    def stop_and_keep(self) -> int:
        """SIGTERM; the exit code, and the log is where the configuration says, for everybody."""
        if not self.mounted:
            return self.stop()
        held = os.open(self._disk, os.O_RDONLY | os.O_DIRECTORY)  # the disk lives as long as this
        try:
            code = self.stop()
            shutil.copytree(f"/proc/self/fd/{held}", self.world.audit_directory, dirs_exist_ok=True)
        finally:
            os.close(held)
        return code
