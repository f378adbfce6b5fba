"""A ceremony's process holds PINs, so nobody may read its memory: looked at in /proc while it waits for one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

from ceremonykit import _ON_TERMINAL, Stage


def test_no_core_dump_and_no_reading_of_its_memory(stage: Stage) -> None:
    controller, terminal = pty.openpty()
    asked = ["inventory", "--ask-pin", "--config", "kagimori.toml"]
    command = [sys.executable, "-m", "keyceremony.cli", *asked]
    wrapped = [sys.executable, "-c", _ON_TERMINAL, os.ttyname(terminal), *command]
    process = subprocess.Popen(wrapped, env=stage.env, cwd=stage.folder, start_new_session=True)
    try:
        shown, end = b"", time.monotonic() + 30
        while b"PIN of token" not in shown and time.monotonic() < end:
            shown += os.read(controller, 4096)
        about = Path(f"/proc/{process.pid}")
        (limit,) = [line for line in (about / "limits").read_text().splitlines() if line.startswith("Max core file")]
        assert limit.split()[4:6] == ["0", "0"]
        if os.geteuid() != 0:  # one that is not dumpable belongs to root in /proc, whoever runs it
            assert (about / "environ").stat().st_uid == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
        os.close(terminal)
