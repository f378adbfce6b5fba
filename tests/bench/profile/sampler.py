"""Where a process spends its time, seen from inside: a signal a few hundred times for each second of processor time.

The kernel's SIGPROF reaches the main thread between two bytecodes, at the line that was running. A sample weighs as
much processor time as its thread has used since the one before, so that it does not matter when signals come late.
Other threads are known by name only. The disk's time is measured: what ``fdatasync`` takes.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from tests.bench.profile.parts import part_of

EVERY = 0.002  # seconds of processor time; kernels with a slower tick make it 4 ms
DISK = "disk: fdatasync"
Sample = tuple[float, float, str]  # when (monotonic), how many seconds, which part


class Sampler:
    """Samples this process from now on; at its end, writes them to ``path`` as JSON lines."""

    def __init__(self, role: str, path: Path) -> None:
        self._role = role
        self._samples: list[Sample] = []
        self._used: dict[int, float] = {}
        atexit.register(self._write, path)
        os.fdatasync = self._timed(os.fdatasync)  # type: ignore[assignment]
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        for thread in threading.enumerate():
            used = self._more(thread.ident or 0)
            mine = thread is threading.main_thread()
            part = part_of(frame, self._role) if mine else f"{self._role}: thread {_name(thread)}"
            if used > 0:
                self._samples.append((now, used, part))

    def _more(self, ident: int) -> float:
        """Seconds of processor time that a thread has used since it was last asked."""
        try:
            used = time.clock_gettime(time.pthread_getcpuclockid(ident))
        except OSError:  # it has just ended
            return 0.0
        more = used - self._used.get(ident, used)
        self._used[ident] = used
        return more

    def _timed(self, sync: Callable[..., None]) -> Callable[[int], None]:
        def timed(descriptor: int) -> None:
            begin = time.monotonic()
            sync(descriptor)
            end = time.monotonic()
            self._samples.append((end, end - begin, DISK))

        return timed

    def _write(self, path: Path) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.write_text("".join(json.dumps(sample) + "\n" for sample in self._samples), encoding="utf-8")


def _name(thread: threading.Thread) -> str:
    return thread.name.rstrip("0123456789").rstrip("-_ ")
