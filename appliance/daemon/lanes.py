"""Lanes to the engines: small requests and look-ups by turns, which are answered in between; signatures and bulk work.

An engine answers what somebody waits for before, and in the middle of, bulk work (`appliance.engine.turns`), and sees
to it that bulk work goes on all the same. So each of the two kinds is given to engines by itself, and neither waits
here for the other. All lanes are bounded: what does not fit is refused.

What was not given to an engine by the time it was due is dropped, without a timer for each request: it is noticed when
it is taken, or when the lanes are looked through twice a second.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from appliance.daemon.batching import MOST_LINES, Batch, Part, Request, Waiter, Waiting
from appliance.daemon.chunks import Chunk
from appliance.daemon.measures import Stages
from appliance.daemon.problems import Problem
from appliance.engine import singles
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import CHECKPOINT_REFUSED, MAX_LINE_BYTES, MAX_LINES, MAX_ORDER_BYTES, Answer
from appliance.engine.link import Work
from appliance.engine.singles import Tagged

MOST_REQUESTS = 4_096
MOST_LOOKUPS = 1_024
MOST_SIGNATURES = 16
RECENT_SECONDS = 0.25  # so long after a small request or a look-up more are expected
MOST_CHUNKS = 256  # each of 32 streams may have six, so that one more is never too many
LOOK_SECONDS = 0.5


class CheckpointRefused(Problem):
    """The engine does not sign this checkpoint; the daemon's log has its reason. To a caller it is a defect."""

    def __init__(self) -> None:
        super().__init__("internal")


class Lookup(Waiter[Tagged]):
    """The tags of one number are wanted."""

    kind = Kind.TAG
    count = 0
    __slots__ = ("line", "source")

    def __init__(self, source: str, line: bytes, future: asyncio.Future[Tagged], due: float) -> None:
        super().__init__(future, due)
        self.source = source
        self.line = line

    def pack(self, request: int) -> bytes:
        """Its frame."""
        return singles.pack_tag(request, self.source, self.line)

    def settle(self, frame: Frame) -> None:
        """The engine's answer; raises FrameError if it is none to this question."""
        self.answered(singles.read_tagged(frame))


class Signing(Waiter[bytes]):
    """A checkpoint is to be signed."""

    kind = Kind.SIGN
    count = 0
    __slots__ = ("text",)

    def __init__(self, text: str, future: asyncio.Future[bytes]) -> None:
        super().__init__(future)
        self.text = text

    def pack(self, request: int) -> bytes:
        """Its frame."""
        return singles.pack_sign(request, self.text)

    def settle(self, frame: Frame) -> None:
        """The engine's answer; raises FrameError if it is none to this question."""
        self.answered(singles.read_signed(frame))

    def refused(self, code: str) -> None:
        """It cannot be done."""
        if code == CHECKPOINT_REFUSED and not self.future.done():
            self.future.set_exception(CheckpointRefused())
        else:
            super().refused(code)


Single = TypeVar("Single", Lookup, Signing, Chunk)


class Lanes:
    """Where the supervisor takes work from (`appliance.engine.supervisor.WorkSource`).

    How long small requests wait, and engines take for them, goes into ``stages``.
    """

    def __init__(self, stages: Stages | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._signatures: deque[Signing] = deque()
        self._small = Waiting(stages)
        self._lookups: deque[Lookup] = deque()
        self._bulk: deque[Chunk] = deque()
        self._lookup_turn = False
        self._asked = -math.inf  # when somebody asked who waits (the event loop's time)
        self._looking: asyncio.TimerHandle | None = None
        self.kick: Callable[[], None] = lambda: None

    def ask(
        self, source: str, target: str, count: int, lines: bytes, order: bytes = b"", due: float = math.inf
    ) -> asyncio.Future[Part]:
        """A small request, at most `MOST_LINES` lines: a future of its lines and their tags.

        Raises:
            Problem: overloaded, order_invalid (at once), or from the future what became of it.
        """
        assert count <= MOST_LINES  # noqa: S101 -- the caller decides by it which lane to take
        _require_room(self._small.requests, MOST_REQUESTS)
        _require_carried(order)
        future: asyncio.Future[Part] = self._loop.create_future()
        request = Request(source, target, count, lines, future, order, due)
        request.since = self._asked = self._loop.time()
        self._small.add(request)
        self._queued(due)
        return future

    def _queued(self, due: float) -> None:
        """Something waits: who gives work to engines is told, and what can be late is looked after."""
        if due < math.inf and self._looking is None:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)
        self.kick()

    def bulk(
        self, source: str, target: str, count: int, lines: bytes, order: bytes = b"", due: float = math.inf
    ) -> asyncio.Future[Answer]:
        """Bulk work, at most 8,192 lines: a future of its answer.

        Raises:
            Problem: overloaded, order_invalid (at once), or from the future what became of it.
        """
        assert 0 < count <= MAX_LINES  # noqa: S101
        _require_room(len(self._bulk), MOST_CHUNKS)
        _require_carried(order)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._bulk.append(Chunk(source, target, count, lines, future, order, due))
        self._queued(due)
        return future

    def tag(self, source: str, line: bytes, due: float = math.inf) -> asyncio.Future[Tagged]:
        """One number, a line with its newline: a future of its tags, the newest generation of the tag key first.

        Raises:
            Problem: overloaded (at once), or from the future what became of it.
        """
        assert len(line) <= MAX_LINE_BYTES + 1  # noqa: S101 -- `requests.to_lines` makes no longer one
        _require_room(len(self._lookups), MOST_LOOKUPS)
        future: asyncio.Future[Tagged] = self._loop.create_future()
        self._lookups.append(Lookup(source, line, future, due))
        self._asked = self._loop.time()
        self._queued(due)
        return future

    def sign(self, text: str) -> asyncio.Future[bytes]:
        """The text of a checkpoint: a future of the log key's Ed25519 signature under it, 64 bytes.

        Raises:
            Problem: overloaded (at once); from the future CheckpointRefused, or another one: no engine can sign now.
        """
        _require_room(len(self._signatures), MOST_SIGNATURES)
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._signatures.append(Signing(text, future))
        self.kick()
        return future

    @property
    def pressed(self) -> bool:
        """Whether people wait for answers just now, so that bulk work should leave the processors some time."""
        return self._loop.time() - self._asked < RECENT_SECONDS

    @property
    def waiting(self) -> dict[str, int]:
        """How much waits in each lane: requests, look-ups, chunks of bulk work, signatures."""
        lookups, signatures = len(self._lookups), len(self._signatures)
        return {"small": self._small.requests, "lookup": lookups, "bulk": len(self._bulk), "sign": signatures}

    def has(self, now: bool) -> bool:
        """Whether anything waits that is answered at once (``now``), or anything else."""
        if now:
            return self._small.requests > 0 or bool(self._lookups)
        return bool(self._bulk) or bool(self._signatures)

    def take(self, now: bool, signs: bool = True) -> Work | None:
        """The next frame of work for an engine: one that is answered at once (``now``), or another one.

        Only an engine that ``signs`` (has a log key) is asked for a signature.
        """
        moment = self._loop.time()
        if now:
            return self._by_turns(moment)
        return (_first(self._signatures, moment) if signs else None) or _first(self._bulk, moment)

    def _by_turns(self, moment: float) -> Work | None:
        """A batch of small requests or a look-up, so that neither kind can keep the other waiting."""
        self._lookup_turn = not self._lookup_turn
        if self._lookup_turn:
            return _first(self._lookups, moment) or self._small.take(moment)
        return self._small.take(moment) or _first(self._lookups, moment)

    def _look(self) -> None:
        """Late work is dropped even if no engine takes any."""
        now = self._loop.time()
        self._small.drop(now)
        self._lookups = deque(one for one in self._lookups if one.wanted(now))
        self._bulk = deque(one for one in self._bulk if one.wanted(now))
        waiting: list[Waiter[Any]] = [*self._small, *self._lookups, *self._bulk]
        mortal = any(item.due < math.inf for item in waiting)
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look) if mortal else None

    def put_back(self, work: Sequence[Work], code: str) -> None:
        """Work that died with its engine: once more for what was tried once, else refused."""
        for item in reversed(work):
            match item:
                case Batch():
                    self._try_again(item.requests, code)
                case Chunk():
                    _put_back(self._bulk, item, code)
                case Lookup():
                    _put_back(self._lookups, item, code)
                case Signing():
                    _put_back(self._signatures, item, code)
                case _:
                    item.refused(code)
        self._queued(0.0)

    def _try_again(self, requests: list[Request], code: str) -> None:
        for request in requests:
            if request.tried:
                request.refused(code)
            else:
                request.tried = True
                self._small.add(request)

    def refuse_all(self, code: str) -> None:
        """No engine will come soon."""
        waiting: list[Waiter[Any]] = [*self._signatures, *self._small.clear(), *self._lookups, *self._bulk]
        for item in waiting:
            item.refused(code)
        for queue in (self._signatures, self._lookups, self._bulk):
            queue.clear()


def _require_room(waiting: int, most: int) -> None:
    if waiting >= most:
        raise Problem("overloaded")


def _require_carried(order: bytes) -> None:
    if len(order) > MAX_ORDER_BYTES:
        raise Problem("order_invalid")


def _first(queue: deque[Single], now: float) -> Single | None:
    """The first one that somebody still waits for."""
    while queue:
        item = queue.popleft()
        if item.wanted(now):
            return item
    return None


def _put_back(queue: deque[Single], item: Single, code: str) -> None:
    if item.tried:
        item.refused(code)
    else:
        item.tried = True
        queue.appendleft(item)
