"""In which order an engine answers: what somebody waits for goes before bulk work, and in between its rounds.

There is one thread, and one token. A full CONVERT frame keeps it busy for milliseconds, so its conversion asks now and
then, between two calls into the token, whether a frame for now (`appliance.engine.envelope.NOW`) has come, and that is
answered at once (`Turns.between`); so it is while something is written to the disk (`Turns.meanwhile`). Frames
for now are answered in their order, the others in theirs. However many come, bulk work has a third of the time.

On the way to and from the engine a question needs the processor too: in the caller, the daemon, the log's writer. So
while people wait, bulk work lets whoever waits for its processor go first, between two rounds (sched_yield(2)): else
they would wait until the scheduler ends the engine's turn, milliseconds later. Whoever takes long then, some other
program that only computes, is not let in again before bulk work has had its share.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Protocol, TypeVar

from appliance.engine.envelope import NOW, Frame, FrameReader
from appliance.yielding import Yielding

RECEIVE_BYTES = 1 << 18
MOST_WAITING = 8  # frames read ahead; the daemon sends four
BULK_SHARE = 0.5  # bulk work goes on for so much of the time that others took (a frame for now, whoever it gave way to)
GIVE_WAY_SECONDS = 0.25  # so long after a frame for now there are people who wait, and bulk work gives way
Got = TypeVar("Got")


class Listening(Protocol):
    """How the engine waits for the daemon: `appliance.engine.service.Pulse`."""

    def beat(self) -> None:
        """An answer is out."""

    def receive(self, connection: socket.socket, most: int) -> bytes:
        """As ``recv``."""


class Turns:
    """The frames of one connection, in the order in which they are answered. For one thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._now: deque[Frame] = deque()
        self._bulk: deque[Frame] = deque()
        self._bulk_until = self._give_way_until = 0.0
        self._others = Yielding(BULK_SHARE)
        self._closed = False
        self._reply: Callable[[Frame], bytes] | None = None
        self._beat: Callable[[], None] = lambda: None
        self._arrived = select.poll()
        self._arrived.register(connection, select.POLLIN)

    def serve(self, reply: Callable[[Frame], bytes], pulse: Listening) -> None:
        """Answer every frame with ``reply`` until the daemon closes the connection.

        Raises:
            OSError: the daemon is gone.
            FrameError: it sent no frame.
            Exception: what ``reply`` raises.
        """
        self._reply, self._beat = reply, pulse.beat
        while True:
            if self._now or self._bulk:
                self._look()
            elif self._closed:
                return
            else:
                self._take(pulse.receive(self._connection, RECEIVE_BYTES))
            if self._now and not (self._bulk and monotonic() < self._bulk_until):
                self._answer_now()
            elif self._bulk:
                self._answer(self._bulk.popleft())

    def between(self) -> None:
        """Bulk work calls this where it can be interrupted. Raises as `serve`."""
        if self._reply is None:
            return
        if monotonic() < self._give_way_until:
            self._others.now()
        if monotonic() >= self._bulk_until:
            self._look()
            if self._now:
                self._answer_now()

    def meanwhile(self, work: Callable[[], Got]) -> Got:
        """Do ``work``, which touches no token, in a thread of its own; frames for now are answered until it is done.

        Raises:
            Exception: what ``work`` raises; or as `serve`, once ``work`` is done.
        """
        done = os.eventfd(0, os.EFD_CLOEXEC)
        self._arrived.register(done, select.POLLIN)
        try:
            with ThreadPoolExecutor(1) as helper:
                result = helper.submit(work)
                result.add_done_callback(lambda _: os.eventfd_write(done, 1))
                self._answer_until(result, done)
            return result.result()
        finally:
            self._arrived.unregister(done)
            os.close(done)

    def _answer_until(self, result: Future[Got], done: int) -> None:
        while not result.done():
            if self._now:  # it may have come before, when bulk work had its turn
                self._answer_now()
            elif self._full or self._closed:  # nothing more can come, so there is nothing to be woken by
                select.select([done], [], [])
            else:
                self._arrived.poll()
                self._look()

    @property
    def _full(self) -> bool:
        return len(self._now) + len(self._bulk) >= MOST_WAITING

    def _look(self) -> None:
        """Take in what has arrived, without waiting."""
        if not self._closed and not self._full and self._arrived.poll(0):
            try:
                data = self._connection.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:  # it was not the connection that the poll told of
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._closed = not data
        for frame in self._reader.feed(data):
            (self._now if frame.kind in NOW else self._bulk).append(frame)

    def _answer_now(self) -> None:
        begun = monotonic()
        self._answer(self._now.popleft())
        ended = monotonic()
        self._bulk_until = ended + BULK_SHARE * (ended - begun)
        self._give_way_until = ended + GIVE_WAY_SECONDS

    def _answer(self, frame: Frame) -> None:
        assert self._reply is not None  # noqa: S101 -- `serve` has begun
        self._connection.sendall(self._reply(frame))
        self._beat()
