"""The daemon's end of a socket pair, and an engine at the other end that answers as a test says."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from appliance import yielding
from appliance.engine import turns
from appliance.engine.envelope import NOW, Frame, FrameReader, Kind, pack
from appliance.engine.turns import Turns

MOST_LOOKS = 10_000  # at the time, or for what has come, in one test: far more than any needs
ANSWERS = {Kind.CONVERT: Kind.ANSWER, Kind.CONVERT_NOW: Kind.ANSWER, Kind.TAG: Kind.TAGGED, Kind.PING: Kind.PONG}
ANSWERS |= {Kind.SIGN: Kind.SIGNED, Kind.SELF_TEST: Kind.TESTED}


class Counter:
    """``turns`` at ``theirs``; the test is the daemon, at ``ours``.

    ``work``: what an answer takes besides, with its frame. ``begun``: request ids in the order in which their answers
    were begun. ``idle`` is called before the engine waits for something to come.
    """

    def __init__(self, ours: socket.socket, theirs: socket.socket) -> None:
        self.ours, self.theirs = ours, theirs
        self.turns = Turns(theirs)
        self.begun: list[int] = []
        self.beats = 0
        self._received = itertools.count()
        self.work: Callable[[Frame], object] = lambda frame: None
        self.idle: Callable[[], object] = self._hang_up_if_all_is_said

    def send(self, *frames: tuple[Kind, int]) -> None:
        self.ours.sendall(b"".join(pack(kind, request) for kind, request in frames))

    def hang_up(self) -> None:
        """No more questions come; answers are still read."""
        self.ours.shutdown(socket.SHUT_WR)

    def _hang_up_if_all_is_said(self) -> None:
        if not select.select([self.theirs], [], [], 0)[0]:
            self.hang_up()

    def serve(self) -> list[int]:
        """Until the daemon has hung up: the ids of all answers, in the order in which the daemon gets them."""
        self.turns.serve(self._reply, self)
        return self.answered()

    def answered(self) -> list[int]:
        """The ids of the answers that have come since the last time."""
        found: list[Frame] = []
        reader = FrameReader()
        with contextlib.suppress(BlockingIOError):
            while data := self.ours.recv(1 << 18, socket.MSG_DONTWAIT):
                found += reader.feed(data)
        assert not reader.pending
        assert all(frame.kind in ANSWERS.values() for frame in found)
        return [frame.request for frame in found]

    def _reply(self, frame: Frame) -> bytes:
        self.begun.append(frame.request)
        self.work(frame)
        return pack(ANSWERS[frame.kind], frame.request)

    def beat(self) -> None:
        self.beats += 1

    def receive(self, connection: socket.socket, most: int) -> bytes:
        assert connection is self.theirs
        assert next(self._received) < MOST_LOOKS, "it waits again and again for what cannot come"
        self.idle()
        return connection.recv(most)


class Clock:
    """In place of the time that an engine looks at for its turns: it goes on only as a test says.

    An engine that looks again and again, as it would where it waits for the time to pass, fails.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self._looks = itertools.count()
        for module in (turns, yielding):
            monkeypatch.setattr(module, "monotonic", self._look)

    def _look(self) -> float:
        assert next(self._looks) < MOST_LOOKS, "it looks at the time again and again"
        return self.now


@contextlib.contextmanager
def counter() -> Iterator[Counter]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Counter(ours, theirs)


def for_now(frame: Frame) -> bool:
    return frame.kind in NOW
