"""Two lanes to the engines: small requests first, bulk frames when there is none of those.

A bulk frame has at most 8,192 lines, and an engine has at most two frames in flight; so a small
request waits behind two bulk frames at most. Both lanes are bounded: what does not fit is refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from appliance.daemon.batching import MOST_LINES, Batch, Request, Waiter, Waiting
from appliance.daemon.problems import Problem
from appliance.engine.frames import MAX_LINES, Answer
from appliance.engine.link import Work

MOST_REQUESTS = 4_096
MOST_FRAMES = 128


class Chunk(Waiter[Answer]):
    """Bulk work for an engine: some lines of a stream, or of a large request."""

    __slots__ = ()

    def answered(self, answer: Answer) -> None:
        """The engine's answer."""
        if not self.future.done():
            self.future.set_result(answer)


class Lanes:
    """Where the supervisor takes work from (`appliance.engine.supervisor.WorkSource`)."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._small = Waiting()
        self._bulk: deque[Chunk] = deque()
        self.kick: Callable[[], None] = lambda: None

    def ask(self, source: str, target: str, count: int, lines: bytes) -> asyncio.Future[list[str]]:
        """A small request, at most `MOST_LINES` lines: a future of its answer's lines.

        Raises:
            Problem: overloaded (at once), or from the future what became of it.
        """
        assert count <= MOST_LINES  # noqa: S101 -- the caller decides by it which lane to take
        if self._small.requests >= MOST_REQUESTS:
            raise Problem("overloaded")
        future: asyncio.Future[list[str]] = self._loop.create_future()
        self._small.add(Request(source, target, count, lines, future))
        self.kick()
        return future

    def bulk(self, source: str, target: str, count: int, lines: bytes) -> asyncio.Future[Answer]:
        """A frame of bulk work, at most 8,192 lines: a future of its answer.

        Raises:
            Problem: overloaded (at once), or from the future what became of it.
        """
        assert count <= MAX_LINES  # noqa: S101
        if len(self._bulk) >= MOST_FRAMES:
            raise Problem("overloaded")
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._bulk.append(Chunk(source, target, count, lines, future))
        self.kick()
        return future

    def take(self) -> Work | None:
        """The next frame of work."""
        batch = self._small.take()
        if batch is not None:
            return batch
        while self._bulk:
            chunk = self._bulk.popleft()
            if not chunk.future.done():
                return chunk
        return None

    def put_back(self, work: Sequence[Work], code: str) -> None:
        """Work that died with its engine: once more for what was tried once, else refused."""
        for item in reversed(work):
            if isinstance(item, Batch):
                self._try_again(item.requests, code)
            elif isinstance(item, Chunk) and not item.tried:
                item.tried = True
                self._bulk.appendleft(item)
            else:
                item.refused(code)

    def _try_again(self, requests: list[Request], code: str) -> None:
        for request in requests:
            if request.tried:
                request.refused(code)
            else:
                request.tried = True
                self._small.add(request)

    def refuse_all(self, code: str) -> None:
        """No engine will come soon."""
        for request in self._small.clear():
            request.refused(code)
        while self._bulk:
            self._bulk.popleft().refused(code)
