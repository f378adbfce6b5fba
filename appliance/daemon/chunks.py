"""Bulk work: the lines that a stream, or a large request, has converted together, with one record in the log."""

from __future__ import annotations

import asyncio
import math

from appliance.daemon.batching import Waiter
from appliance.engine import frames
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import Answer


class Chunk(Waiter[Answer]):
    """Work for an engine (`appliance.engine.link.Work`): ``count`` lines, under an ``order`` or (empty) without one."""

    kind = Kind.CONVERT
    __slots__ = ("count", "lines", "order", "source", "target")

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
        self.lines = lines
        self.order = order

    def pack(self, request: int) -> bytes:
        """Its frame."""
        return frames.pack_convert(request, self.source, self.target, self.count, self.lines, self.order)

    def settle(self, frame: Frame) -> None:
        """The engine's answer; raises FrameError if it is none to this question."""
        self.answered(frames.read_answer(frame, self.count))
