"""How late does the event loop wake up? While it is late, everybody waits."""

from __future__ import annotations

import asyncio

from appliance.daemon.histogram import Histogram

EVERY_SECONDS = 0.25


class Lag:
    """Asks to be woken four times a second, and notes how much later it was, until it is closed."""

    def __init__(self, seen: Histogram) -> None:
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._ask()

    def _ask(self) -> None:
        self._due = self._loop.time() + EVERY_SECONDS
        self._timer = self._loop.call_at(self._due, self._woken)

    def _woken(self) -> None:
        self._seen.observe(max(0.0, self._loop.time() - self._due))
        self._ask()

    def close(self) -> None:
        """Ask no more."""
        self._timer.cancel()
