"""Small requests that wait at the same moment go to the engine together, and come back apart.

A batch is one frame: requests for the same conversion, their lines one after another. The engine knows
nothing of it. If an engine dies over a batch, its requests are tried again one by one, so that whatever
killed it does not take its neighbours along twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from appliance.daemon.problems import Problem
from appliance.engine.frames import Answer

MOST_LINES = 1_024
Got = TypeVar("Got")


class Waiter(Generic[Got]):
    """``lines`` that somebody wants converted; ``future`` gets what becomes of them; ``tried``: once already."""

    __slots__ = ("count", "future", "lines", "source", "target", "tried")

    def __init__(self, source: str, target: str, count: int, lines: bytes, future: asyncio.Future[Got]) -> None:
        self.source = source
        self.target = target
        self.count = count
        self.lines = lines
        self.future = future
        self.tried = False

    def refused(self, code: str) -> None:
        """It cannot be done."""
        if not self.future.done():
            self.future.set_exception(Problem(code))


class Request(Waiter[list[str]]):
    """A small request that waits; its future gets the answer's lines."""

    __slots__ = ()


class Batch:
    """Work for an engine (`appliance.engine.link.Work`) made of requests for one conversion."""

    __slots__ = ("count", "lines", "requests", "source", "target")

    def __init__(self, requests: list[Request]) -> None:
        self.requests = requests
        self.source = requests[0].source
        self.target = requests[0].target
        self.count = sum(request.count for request in requests)
        self.lines = b"".join([request.lines for request in requests])

    def answered(self, answer: Answer) -> None:
        """Give each request its own lines."""
        lines = answer.lines.decode("ascii").split("\n")
        start = 0
        for request in self.requests:
            end = start + request.count
            if not request.future.done():
                request.future.set_result(lines[start:end])
            start = end

    def refused(self, code: str) -> None:
        """All of it was refused."""
        for request in self.requests:
            request.refused(code)


class Waiting:
    """Small requests that wait, by conversion; conversions take turns."""

    def __init__(self) -> None:
        self.requests = 0
        self._again: deque[Request] = deque()
        self._pairs: OrderedDict[tuple[str, str], deque[Request]] = OrderedDict()

    def add(self, request: Request) -> None:
        """Queue a request, one that was tried already by itself and before all others."""
        self.requests += 1
        if request.tried:
            self._again.append(request)
        else:
            self._pairs.setdefault((request.source, request.target), deque()).append(request)

    def take(self) -> Batch | None:
        """The next batch, at most `MOST_LINES` lines (a single request may not be larger)."""
        while self._again:
            self.requests -= 1
            request = self._again.popleft()
            if not request.future.done():
                return Batch([request])
        while self._pairs:
            pair, queue = next(iter(self._pairs.items()))
            together = list(self._fill(queue))
            if queue:
                self._pairs.move_to_end(pair)
            else:
                del self._pairs[pair]
            if together:
                return Batch(together)
        return None

    def _fill(self, queue: deque[Request]) -> Iterator[Request]:
        """Requests off the queue as long as they fit; those nobody waits for any more are dropped."""
        room = MOST_LINES
        while queue and queue[0].count <= room:
            self.requests -= 1
            request = queue.popleft()
            if not request.future.done():
                room -= request.count
                yield request

    def clear(self) -> list[Request]:
        """Everything that waits, taken out."""
        everything = [*self._again, *(request for queue in self._pairs.values() for request in queue)]
        self._again.clear()
        self._pairs.clear()
        self.requests = 0
        return everything
