"""Small requests that wait at the same moment go to the engine together, and come back apart.

A batch is one frame: requests for the same conversion under the same order (or none), their lines one after
another. The engine knows nothing of it. If an engine dies over a batch, its requests are tried again one by one, so
that whatever killed it does not take its neighbours along twice.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from appliance.daemon.measures import Stages
from appliance.daemon.problems import Problem
from appliance.engine import frames
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import MAX_LINES_NOW, TAG_BYTES, Answer

MOST_LINES = MAX_LINES_NOW
TOO_LATE = "No engine was free for it within its Kagimori-Timeout; nothing was converted."
Got = TypeVar("Got")


class Part(NamedTuple):
    """What a request gets of an answer: its lines, and the tags of those that were converted, 16 bytes each."""

    lines: list[str]
    tags: bytes


class Waiter(Generic[Got]):
    """Somebody who waits for an engine; ``future`` gets what becomes of it; ``tried``: once already.

    ``due``: the moment (the event loop's time) after which it is not given to an engine any more. Once it is given to
    one, it is done whole.
    """

    __slots__ = ("due", "future", "tried")

    def __init__(self, future: asyncio.Future[Got], due: float = math.inf) -> None:
        self.future = future
        self.due = due
        self.tried = False

    def wanted(self, now: float) -> bool:
        """Whether somebody still waits for it; whoever waited until it was due is told now."""
        if self.due <= now and not self.future.done():
            self.future.set_exception(Problem("deadline_exceeded", TOO_LATE))
        return not self.future.done()

    def answered(self, answer: Got) -> None:
        """The answer."""
        if not self.future.done():
            self.future.set_result(answer)

    def refused(self, code: str) -> None:
        """It cannot be done."""
        if not self.future.done():
            self.future.set_exception(Problem(code))


class Request(Waiter[Part]):
    """A small request that waits: ``lines`` under an ``order`` or (empty) without one; gets its part of an answer.

    ``since``: when it began to wait (the event loop's time).
    """

    __slots__ = ("conversion", "count", "lines", "since")

    def __init__(
        self,
        source: str,
        target: str,
        count: int,
        lines: bytes,
        future: asyncio.Future[Part],
        order: bytes = b"",
        due: float = math.inf,
    ) -> None:
        super().__init__(future, due)
        self.conversion = (source, target, order)  # what requests must have in common to go in one frame
        self.count = count
        self.lines = lines
        self.since = 0.0


class Batch:
    """Work for an engine (`appliance.engine.link.Work`) made of requests for one conversion.

    ``taken``: when it was given to one (the event loop's time); how long that one takes goes into ``stages``.
    """

    kind = Kind.CONVERT_NOW
    __slots__ = ("_stages", "_taken", "count", "lines", "order", "requests", "source", "target")

    def __init__(self, requests: list[Request], stages: Stages, taken: float) -> None:
        self.requests = requests
        self._stages = stages
        self._taken = taken
        self.source, self.target, self.order = requests[0].conversion
        self.count = sum(request.count for request in requests)
        self.lines = b"".join([request.lines for request in requests])

    def pack(self, request: int) -> bytes:
        """One frame for all."""
        return frames.pack_convert(request, self.source, self.target, self.count, self.lines, self.order, now=True)

    def settle(self, frame: Frame) -> None:
        """The engine's answer.

        Raises:
            FrameError: it is none to this question.
        """
        self.answered(frames.read_answer(frame, self.count))

    def answered(self, answer: Answer) -> None:
        """Give each request its own lines, and the tags that belong to them."""
        self._stages.engine.observe_for(len(self.requests), monotonic() - self._taken)  # which is the event loop's time
        lines = answer.lines.decode("ascii").split("\n")
        all_converted = answer.converted == self.count
        start = tag = 0
        for request in self.requests:
            mine = lines[start : start + request.count]
            converted = request.count if all_converted else sum(not line.startswith("!") for line in mine)
            request.answered(Part(mine, answer.tags[tag : tag + TAG_BYTES * converted]))
            start += request.count
            tag += TAG_BYTES * converted

    def refused(self, code: str) -> None:
        """All of it was refused."""
        for request in self.requests:
            request.refused(code)


class Waiting:
    """Small requests that wait, by conversion; conversions take turns. How long they wait goes into ``stages``."""

    def __init__(self, stages: Stages | None = None) -> None:
        self.requests = 0
        self._stages = stages or Stages()
        self._again: deque[Request] = deque()
        self._conversions: OrderedDict[tuple[str, str, bytes], deque[Request]] = OrderedDict()

    def add(self, request: Request) -> None:
        """Queue a request, one that was tried already by itself and before all others."""
        self.requests += 1
        if request.tried:
            self._again.append(request)
        else:
            self._conversions.setdefault(request.conversion, deque()).append(request)

    def take(self, now: float) -> Batch | None:
        """The next batch, at most `MOST_LINES` lines (a single request may not be larger)."""
        while self._again:
            self.requests -= 1
            request = self._again.popleft()
            if request.wanted(now):
                return Batch([request], self._stages, now)
        while self._conversions:
            conversion, queue = next(iter(self._conversions.items()))
            together = list(self._fill(queue, now))
            if queue:
                self._conversions.move_to_end(conversion)
            else:
                del self._conversions[conversion]
            if together:
                return Batch(together, self._stages, now)
        return None

    def _fill(self, queue: deque[Request], now: float) -> Iterator[Request]:
        """Requests off the queue as long as they fit; those nobody waits for any more are dropped."""
        room = MOST_LINES
        while queue and queue[0].count <= room:
            self.requests -= 1
            request = queue.popleft()
            if request.wanted(now):
                room -= request.count
                self._stages.wait.observe(now - request.since)
                yield request

    def drop(self, now: float) -> None:
        """Take out what nobody waits for any more, or what is late."""
        for request in self.clear():
            if request.wanted(now):
                self.add(request)

    def __iter__(self) -> Iterator[Request]:
        """Everything that waits."""
        yield from self._again
        for queue in self._conversions.values():
            yield from queue

    def clear(self) -> list[Request]:
        """Everything that waits, taken out."""
        everything = list(self)
        self._again.clear()
        self._conversions.clear()
        self.requests = 0
        return everything
