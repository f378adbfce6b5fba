"""How many numbers a role converts a minute, and how many bytes of questions the daemon holds at once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

from appliance.daemon.problems import Problem


class Bucket:
    """A token bucket, full at the start: ``per_minute`` numbers at most, refilled evenly. ``clock`` gives seconds."""

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


class Room:
    """Bytes of memory for questions, ``most`` of them for all callers together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold so many bytes for a while.

        Raises:
            Problem: overloaded, there is no room for them now.
        """
        if self.taken + size > self.most:
            raise Problem("overloaded", "Too many large requests are under way.")
        self.taken += size
        try:
            yield
        finally:
            self.taken -= size
