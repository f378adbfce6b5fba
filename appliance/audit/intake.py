"""What waits to be written into the log: put by the event loop, taken by the writer's thread as late as it can."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from itertools import accumulate, takewhile
from typing import NamedTuple

from appliance.audit.entries import Item
from appliance.audit.errors import AuditUnavailable

LARGEST_GROUP = 4_096  # records
MOST_BYTES = 16 << 20  # subject tags of a group, unless one record has more

Told = Callable[[bool], None]


class Waiting(NamedTuple):
    """A record that waits; ``told`` hears whether it is durable in the end."""

    item: Item
    future: asyncio.Future[int]
    told: Told | None

    def durable(self, number: int) -> None:
        """It is, as record ``number``."""
        if self.told is not None:
            self.told(True)
        if not self.future.done():
            self.future.set_result(number)

    def refused(self) -> None:
        """It is not, and will not be."""
        if self.told is not None:
            self.told(False)
        if not self.future.done():
            self.future.set_exception(_unavailable())
            self.future.exception()  # whoever waited may be gone


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable("the audit record could not be written", "look at the daemon's log and the audit disk")


class Intake:
    """In the order in which they were put. For any thread."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> None:
        """One more, behind all others."""
        with self._lock:
            self._waiting.append(waiting)

    def put_first(self, waiting: Iterable[Waiting]) -> None:
        """Some that had been taken, before all others."""
        with self._lock:
            self._waiting[:0] = waiting

    def take(self) -> list[Waiting]:
        """The next group: at least one if any waits, not too many, not too large."""
        return self._take(1, LARGEST_GROUP, MOST_BYTES)

    def join(self, group: list[Waiting], most: int) -> list[Waiting]:
        """What may still join a group: at most so many, and together no more than a group may be."""
        if not self._waiting:  # nearly always
            return []
        size = sum(len(waiting.item.tags) for waiting in group)
        return self._take(0, min(most, LARGEST_GROUP - len(group)), MOST_BYTES - size)

    def _take(self, least: int, most: int, most_bytes: int) -> list[Waiting]:
        with self._lock:
            sizes = accumulate(len(waiting.item.tags) for waiting in self._waiting[:most])
            count = max(least, sum(1 for _ in takewhile(lambda size: size <= most_bytes, sizes)))
            group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def take_all(self) -> list[Waiting]:
        """Everything."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting
