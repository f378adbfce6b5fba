"""The demo's daemon: started, waited for, stopped; and a left-over one found by its pid file."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layout import APPLIANCE, PROJECT, DemoError, Layout
from running import command_line

from appliance.hubkit import Client

READY_SECONDS = 20.0
STOP_SECONDS = 15.0


def start(layout: Layout, *, foreground: bool = False) -> subprocess.Popen[bytes]:
    """Start ``appliance serve`` and note its pid; its log goes to a file, or to the terminal in the foreground."""
    layout.make_run()
    command = [*command_line("appliance"), "serve", "--config", str(layout.config)]
    if foreground:
        process = subprocess.Popen(command, cwd=PROJECT, env=layout.environment(APPLIANCE))
    else:
        with layout.daemon_log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=layout.environment(APPLIANCE),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    layout.pid_file.write_text(f"{process.pid}\n", encoding="ascii")
    return process


def wait_ready(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    """Until it converts.

    Raises:
        DemoError: it ended, or takes too long.
    """
    until = time.monotonic() + READY_SECONDS
    with Client(layout.socket("hub"), timeout=5) as client:
        while not client.ready():
            if process.poll() is not None or time.monotonic() > until:
                raise DemoError("the daemon does not get ready", f"why is in {layout.daemon_log}")
            time.sleep(0.02)


@contextmanager
def stopping(layout: Layout, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop the daemon at the end, come what may.

    Raises:
        DemoError: it had ended on its own.
    """
    try:
        yield
        if process.poll() is not None:
            raise DemoError("the daemon ended on its own", f"why is in {layout.daemon_log}")
    finally:
        stop(layout, process)


def stop(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL only for one that does not listen."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    layout.pid_file.unlink(missing_ok=True)
    layout.drop_run()


def stop_left_over(layout: Layout) -> bool:
    """Stop the daemon of an earlier run that was killed; whether there was one.

    A pid alone proves nothing, since numbers are given out again: the process must run *this* configuration.
    """
    with suppress(OSError, ValueError):
        pid = int(layout.pid_file.read_text(encoding="ascii"))
        handle = os.pidfd_open(pid)
        try:
            return _is_ours(layout, pid) and _end(handle)
        finally:
            os.close(handle)
    return False


def _is_ours(layout: Layout, pid: int) -> bool:
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return os.fsencode(layout.config) in arguments and Path(f"/proc/{pid}").stat().st_uid == os.geteuid()


def _end(handle: int) -> bool:
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        signal.pidfd_send_signal(handle, number)
        if select.select([handle], [], [], seconds)[0]:
            return True
    return False
