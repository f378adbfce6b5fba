"""Nobody waits for ever: futures that are not done in time fail with ``deadline_exceeded``.

A timer for each request would cost more than the request's own bookkeeping; so futures are looked
through twice a second, which makes a deadline late by half a second at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from appliance.daemon.problems import Problem

LOOK_SECONDS = 0.5


class Deadlines:
    """``seconds`` for each future, counted from `watch`."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Let it fail in time."""
        self._waiting.append((self._loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        left: deque[tuple[float, asyncio.Future[Any]]] = deque()
        for due, future in self._waiting:
            if future.done():
                continue
            if due <= now:
                future.set_exception(Problem("deadline_exceeded"))
            else:
                left.append((due, future))
        self._waiting = left
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look) if left else None

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
