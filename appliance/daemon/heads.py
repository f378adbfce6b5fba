"""How much of a request's head is here, since when, and is there room for it?

What fits in a small read needs no room. Beyond that a head takes as much as the longest may have, until its request is
answered: whoever sends one of those has a disclosure order in it, or means harm.
"""

from __future__ import annotations

from appliance.daemon.framing import SMALL_READ
from appliance.daemon.limits import Room
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party

LONGEST_HEAD = 131_072
HEAD_SECONDS = 10.0


class Head:
    """One connection's, request after request."""

    __slots__ = ("_lease", "_party", "_room", "_since", "_size")

    def __init__(self, room: Room, party: Party) -> None:
        self._room = room
        self._party = party
        self._since: float | None = None
        self._size = 0
        self._lease = False

    def more(self, size: int, now: float) -> None:
        """So many bytes more have come, and it is not whole yet.

        Raises:
            Problem: malformed_request, it is too large; overloaded, there is no room for another large one.
        """
        self._size += size
        if self._since is None:
            self._since = now
        if self._size > LONGEST_HEAD:
            raise Problem("malformed_request", f"head: larger than {LONGEST_HEAD} bytes")
        if self._size > SMALL_READ and not self._lease:
            self._room.take(self._party, LONGEST_HEAD)
            self._lease = True

    def check(self, now: float) -> None:
        """Whether it still may come.

        Raises:
            Problem: malformed_request, it should be whole by now.
        """
        if self._since is not None and now - self._since > HEAD_SECONDS:
            raise Problem("malformed_request", f"head: was not there whole within {HEAD_SECONDS:g} s")

    def whole(self) -> None:
        """It is; or nobody waits for it any more."""
        self._since, self._size = None, 0

    def release(self) -> None:
        """Its request is answered, or never will be."""
        if self._lease:
            self._lease = False
            self._room.give(self._party, LONGEST_HEAD)
