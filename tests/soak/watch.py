"""Memory of daemon and engines, looked at once a second."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable

from tests.daemonkit import Daemon, alive, resident_kilobytes

SECONDS = 1.0
MOST_MEBIBYTES = {"daemon": 16, "engines": 6}  # that each may grow; two chunks of the index of tags have 16
JUDGED_SECONDS = 300.0  # less is not judged
ENGINE_WARM_SECONDS = 5.0


class Watch(threading.Thread):
    """``daemon``, ``engines``: resident memory in KiB, in the order of time."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(name="watch", daemon=True)
        self.daemon_kilobytes: list[int] = []
        self.engine_kilobytes: list[int] = []
        self._daemon = daemon
        self._born: dict[int, float] = {}
        self._end = threading.Event()

    def stop(self) -> None:
        """No more looks."""
        self._end.set()

    def run(self) -> None:
        """Look."""
        while not self._end.wait(SECONDS):
            self.daemon_kilobytes.append(resident_kilobytes(self._daemon.pid))
            for engine in self._daemon.engines():
                self._look_at(engine)

    def _look_at(self, engine: int) -> None:
        now = time.monotonic()
        if now - self._born.setdefault(engine, now) >= ENGINE_WARM_SECONDS and alive(engine):
            with contextlib.suppress(OSError, AssertionError):  # it has ended since
                self.engine_kilobytes.append(resident_kilobytes(engine))


def growth(seen: list[int]) -> float:
    """MiB from the second quarter of the time to the last one, by the median of each."""
    quarter = len(seen) // 4
    if quarter < 3:
        return 0.0
    return (statistics.median(seen[-quarter:]) - statistics.median(seen[quarter : 2 * quarter])) / 1024


def by_tenths(seen: list[int]) -> list[int]:
    """The median of each tenth of the time, in KiB; nothing of a few looks."""
    size = len(seen) // 10
    return [int(statistics.median(seen[start : start + size])) for start in range(0, 10 * size, size)] if size else []


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Whether it came to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
