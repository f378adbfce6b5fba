"""How many numbers a role converts a minute, how many bytes are held for callers, how fast refusals are noted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party


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
    """Bytes of memory, ``most`` of them for all callers together. No party takes more than it leaves for others."""

    def __init__(self, most: int, what: str = "Too many large requests are under way.") -> None:
        self.most = most
        self.taken = 0
        self._what = what
        self._held: Counter[Party] = Counter()

    def take(self, party: Party, size: int) -> None:
        """So many bytes, until they are given back.

        Raises:
            Problem: overloaded, there is no room for them now.
        """
        if self._held[party] + size > self.most - self.taken - size:
            raise Problem("overloaded", self._what)
        self._held[party] += size
        self.taken += size

    def give(self, party: Party, size: int) -> None:
        """Give them back."""
        self.taken -= size
        self._held[party] -= size
        if not self._held[party]:
            del self._held[party]

    def hold(self, party: Party, size: int) -> Held:
        """So many bytes for a while: a context manager, by which they are taken and given back.

        Raises (when it is entered):
            Problem: overloaded, there is no room for them now.
        """
        return Held(self, party, size)


class Held:
    """Bytes that a `Room` holds. A class, since a generator takes more than twice as many steps; a request has two."""

    __slots__ = ("_party", "_room", "_size")

    def __init__(self, room: Room, party: Party, size: int) -> None:
        self._room = room
        self._party = party
        self._size = size

    def __enter__(self) -> None:
        self._room.take(self._party, self._size)

    def __exit__(self, *_: object) -> None:
        self._room.give(self._party, self._size)


class Pace:
    """How fast one party causes records that no number pays for: ``burst`` at once, ``per_second`` in the long run.

    Each is still recorded before it is answered; who causes many only waits for its turn, and the log does not grow
    faster. ``clock`` gives seconds.
    """

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._rate = per_second
        self._clock = clock
        self._level: dict[Party, tuple[float, float]] = {}

    def turn(self, party: Party) -> float:
        """Take the next turn: seconds until it comes, mostly 0.0."""
        now = self._clock()
        level, at = self._level.get(party, (float(self._burst), now))
        level = min(self._burst, level + (now - at) * self._rate) - 1
        self._level[party] = level, now
        return max(0.0, -level / self._rate)
