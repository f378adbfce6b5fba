"""How many numbers a role converts a minute: a token bucket that is full at the start."""

from __future__ import annotations

import math
from collections.abc import Callable


class Bucket:
    """``per_minute`` numbers at most at once, refilled evenly. ``clock`` gives seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.capacity = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at = clock()

    def take(self, count: int) -> float:
        """Take ``count`` numbers out, or nothing: the seconds to wait before trying again, 0.0 if taken.

        ``math.inf`` if the bucket could never hold so many.
        """
        if count > self.capacity:
            return math.inf
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self.capacity / 60)
        self._at = now
        if self._level >= count:
            self._level -= count
            return 0.0
        return (count - self._level) * 60 / self.capacity

    def resize(self, per_minute: int) -> None:
        """A new limit (after a reload); what is used up stays used up."""
        self._level = max(0.0, self._level + per_minute - self.capacity) if per_minute else 0.0
        self.capacity = per_minute
