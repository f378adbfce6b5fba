"""How many files a daemon has open: of one whose memory is closed to its own user, only root may look."""

from __future__ import annotations

from pathlib import Path

from tests.daemonkit import Daemon
from tests.metrickit import scrape

_ITS_OWN_LOOK = 2  # the scrape's connection, and the folder in which it counts


def open_files(daemon: Daemon) -> int:
    """Looked at from outside; else it is asked, which takes a socket for metrics (`tests.metrickit.with_metrics`)."""
    try:
        return sum(1 for _ in Path(f"/proc/{daemon.pid}/fd").iterdir())
    except PermissionError:
        return int(scrape(daemon.world).value("process_open_fds")) - _ITS_OWN_LOOK
