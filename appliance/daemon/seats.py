"""How many connections are there at once, and whose?

A *party* is one user on one role's socket. A party gets a further connection only while it holds fewer than are free.
So one party has half of all seats at most, two have a third each, and whoever comes new finds one: nobody locks others
out, and no share need be configured. A party at its limit gives up its own longest idle connection for the new one.
"""

from __future__ import annotations

import heapq
import resource
from collections import deque
from collections.abc import Callable
from typing import Protocol

from appliance.daemon.problems import Problem
from appliance.tomlfile import ConfigurationError

MOST_CONNECTIONS = 8_192
RESERVED_FILES = 256  # for the log, the tag index, engines, the ledger: what must open however many are connected
FEWEST_CONNECTIONS = 64
MOST_FILES = 65_536
AT_A_LOOK = 512
LOOK_SECONDS = 0.05  # looking for idle ones costs a walk through all of them

Party = tuple[str, int]  # role, uid


class Sitter(Protocol):
    """A connection, as far as its seat is concerned."""

    @property
    def resting_since(self) -> float | None:
        """When it became idle, seconds; None if a request is under way."""

    def dismiss(self) -> None:
        """Close it."""


class Seats:
    """``most`` seats for all parties together. ``clock`` gives seconds."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.most = most
        self.taken = 0
        self._clock = clock
        self._parties: dict[Party, _Members] = {}

    def take(self, party: Party, sitter: Sitter) -> None:
        """A seat, until it is given back with `leave`.

        Raises:
            Problem: overloaded, there is none for this party, and none of its connections is idle.
        """
        held = self.held(party)
        if held >= self.most - self.taken and not self._make_room(party, held):
            raise Problem("overloaded", "Too many connections.")
        self._parties.setdefault(party, _Members()).sitters[sitter] = None
        self.taken += 1

    def leave(self, party: Party, sitter: Sitter) -> None:
        """The connection is over; telling it twice does no harm."""
        members = self._parties.get(party)
        if members is None or sitter not in members.sitters:
            return
        del members.sitters[sitter]
        self.taken -= 1
        if not members.sitters:
            del self._parties[party]

    def held(self, party: Party) -> int:
        """How many a party has."""
        members = self._parties.get(party)
        return 0 if members is None else len(members.sitters)

    def _make_room(self, party: Party, held: int) -> bool:
        """Whether an idle connection goes: the party's own, or that of one who has more than it would have."""
        largest = max(self._parties, key=self.held, default=party)
        whose = largest if self.held(largest) > held + 1 else party
        members = self._parties.get(whose)
        return members is not None and members.dismiss_one(self._clock())


class _Members:
    """One party's connections."""

    def __init__(self) -> None:
        self.sitters: dict[Sitter, None] = {}
        self._idle: deque[tuple[float, Sitter]] = deque()
        self._looked = float("-inf")

    def dismiss_one(self, now: float) -> bool:
        """Close the one that is idle longest, if any is."""
        if not self._idle and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            idle = [
                (since, place, one)
                for place, one in enumerate(self.sitters)
                if (since := one.resting_since) is not None
            ]
            self._idle.extend((since, one) for since, _, one in heapq.nsmallest(AT_A_LOOK, idle))
        while self._idle:
            since, sitter = self._idle.popleft()
            if sitter in self.sitters and sitter.resting_since == since:
                sitter.dismiss()
                return True
        return False


def most_connections() -> int:
    """How many connections there may be, after as many files are allowed as the system grants this process.

    Raises:
        ConfigurationError: the process may open too few files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = wanted if soft == resource.RLIM_INFINITY else soft
    if files < RESERVED_FILES + FEWEST_CONNECTIONS:
        raise ConfigurationError(
            f"this process may open {files} files only (RLIMIT_NOFILE)",
            f"allow it at least {RESERVED_FILES + FEWEST_CONNECTIONS}, with LimitNOFILE= or ulimit -n",
        )
    return min(MOST_CONNECTIONS, files - RESERVED_FILES)
