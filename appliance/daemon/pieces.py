"""Bulk work is given to engines in pieces: large ones at rest, small ones while people wait beside it.

A `Chunk` is what a stream, or a large request, waits for: some lines, answered together, with one record in the log.
How many frames it takes is decided when an engine is free for the next one, so that a request that comes in between
waits for a small frame only.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator

from appliance.daemon.batching import Waiter
from appliance.engine import frames
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import Answer
from appliance.numbers.newlines import count_lines


class Chunk(Waiter[Answer]):
    """``count`` lines that somebody wants converted, under an ``order`` or (empty) without one."""

    __slots__ = ("_answers", "_lines", "_missing", "_start", "count", "order", "source", "target")

    def __init__(
        self,
        source: str,
        target: str,
        count: int,
        lines: bytes,
        future: asyncio.Future[Answer],
        order: bytes = b"",
        due: float = math.inf,
    ) -> None:
        super().__init__(future, due)
        self.source = source
        self.target = target
        self.count = count
        self.order = order
        self._lines = lines
        self._start = 0
        self._missing = 0
        self._answers: list[Answer | None] = []

    @property
    def taken(self) -> bool:
        """Whether nothing of it is left to be given to an engine."""
        return self._start == len(self._lines)

    def take(self, most: int) -> Piece:
        """The next lines, about ``most`` bytes of them at most, cut so that no piece is much smaller than another."""
        left = len(self._lines) - self._start
        size = -(-left // -(-left // most))
        end = self._lines.index(b"\n", self._start + size - 1) + 1
        lines = self._lines[self._start : end]
        count = self.count if len(lines) == len(self._lines) else count_lines(lines)
        self._start = end
        self.due = math.inf  # it has begun, so it is done whole
        self._missing += 1
        self._answers.append(None)
        return Piece(self, len(self._answers) - 1, count, lines)

    def settle_piece(self, place: int, answer: Answer) -> None:
        """A piece's answer; with the last one, the chunk is answered."""
        self._answers[place] = answer
        self._missing -= 1
        if self.taken and not self._missing:
            self.answered(_together([one for one in self._answers if one is not None]))


class Piece:
    """Work for an engine (`appliance.engine.link.Work`): some lines of a chunk. ``tried``: once already."""

    kind = Kind.CONVERT
    __slots__ = ("_lines", "_place", "chunk", "count", "flying", "tried")

    def __init__(self, chunk: Chunk, place: int, count: int, lines: bytes) -> None:
        self.chunk = chunk
        self.count = count
        self.flying: set[Piece] = set()  # what an engine has; it takes itself out
        self.tried = False
        self._lines = lines
        self._place = place

    def pack(self, request: int) -> bytes:
        """Its frame."""
        chunk = self.chunk
        return frames.pack_convert(request, chunk.source, chunk.target, self.count, self._lines, chunk.order)

    def settle(self, frame: Frame) -> None:
        """The engine's answer; raises FrameError if it is none to this question."""
        answer = frames.read_answer(frame, self.count)
        self.flying.discard(self)
        self.chunk.settle_piece(self._place, answer)

    def refused(self, code: str) -> None:
        """It cannot be done, so the chunk cannot, whatever became of its other pieces."""
        self.flying.discard(self)
        self.chunk.refused(code)


class BulkLane:
    """Chunks that wait, and the pieces of them that engines have. Its length: how much waits."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._again: deque[Piece] = deque()
        self._flying: set[Piece] = set()

    def __len__(self) -> int:
        return len(self._chunks) + len(self._again)

    def __iter__(self) -> Iterator[Chunk]:
        """Everything that waits; a chunk may come twice."""
        yield from (piece.chunk for piece in self._again)
        yield from self._chunks

    def add(self, chunk: Chunk) -> None:
        """Queue a chunk."""
        self._chunks.append(chunk)

    def take(self, now: float, size: int, most: float) -> Piece | None:
        """The next piece, about ``size`` bytes at most; none while engines have ``most`` pieces already."""
        if len(self._flying) >= most:
            return None
        piece = self._tried_once() or self._next(now, size)
        if piece is not None:
            piece.flying = self._flying
            self._flying.add(piece)
        return piece

    def _tried_once(self) -> Piece | None:
        while self._again:
            piece = self._again.popleft()
            if not piece.chunk.future.done():
                return piece
        return None

    def _next(self, now: float, size: int) -> Piece | None:
        while self._chunks:
            chunk = self._chunks[0]
            if not chunk.wanted(now):
                self._chunks.popleft()
                continue
            piece = chunk.take(size)
            if chunk.taken:
                self._chunks.popleft()
            return piece
        return None

    def put_back(self, piece: Piece, code: str) -> None:
        """It died with its engine: once more, if that was for the first time."""
        self._flying.discard(piece)
        if piece.tried:
            piece.refused(code)
        else:
            piece.tried = True
            self._again.appendleft(piece)

    def drop(self, now: float) -> None:
        """Take out what nobody waits for any more, or what is late."""
        self._chunks = deque(chunk for chunk in self._chunks if chunk.wanted(now))

    def clear(self) -> list[Chunk]:
        """Everything that waits, taken out."""
        everything = list(self)
        self._chunks.clear()
        self._again.clear()
        return everything


def _together(answers: list[Answer]) -> Answer:
    if len(answers) == 1:
        return answers[0]
    return Answer(
        sum(answer.converted for answer in answers),
        sum(answer.malformed for answer in answers),
        sum(answer.unknown for answer in answers),
        b"".join([answer.lines for answer in answers]),
        b"".join([answer.tags for answer in answers]),
    )
