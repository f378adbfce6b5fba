"""Ctrl-C and SIGTERM end a job at its last checkpoint; a second one ends it at once, which loses nothing either."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from appliance.bulk.errors import JobStopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Whether the job is to end. ``event`` is for threads that wait."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def check(self) -> None:
        """Raises JobStopped once a signal has come."""
        if self.event.is_set():
            raise JobStopped

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs. Only the main thread can take signals; elsewhere this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        heard = [number for number in _SIGNALS if before[number] != signal.SIG_IGN]  # as nohup and a shell's & want it

        def stop(number: int, frame: FrameType | None) -> None:
            self.event.set()
            signal.signal(number, before[signal.Signals(number)])

        for number in heard:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number in heard:
                signal.signal(number, before[number])
