"""While something is written to the disk, what somebody waits for is answered."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.engine.envelope import Frame, FrameError, Kind, pack
from appliance.engine.turns import MOST_WAITING
from tests.engine.turnkit import Clock, Counter, counter

CONVERT, CONVERT_NOW, TAG, PING, SIGN = Kind.CONVERT, Kind.CONVERT_NOW, Kind.TAG, Kind.PING, Kind.SIGN
LONG = 10.0  # seconds: more than any of this takes, so that what waits in vain fails


class Disk:
    """Work that is written while frame 1 is answered, and goes on until ``written``; ``outcome``: what came of it."""

    def __init__(self, desk: Counter, write: Callable[[], object]) -> None:
        self.written = threading.Event()
        self.outcome: object = None
        self._desk, self._write = desk, write
        desk.work = self.work

    def work(self, frame: Frame) -> None:
        if frame.request == 1:
            self.outcome = self._desk.turns.meanwhile(self._write)
        elif frame.request == 9:
            self.written.set()
        elif frame.request == 666:
            raise ZeroDivisionError


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def waits(written: threading.Event) -> None:
    assert written.wait(LONG), "nobody was answered meanwhile"


def test_what_comes_meanwhile_is_answered_and_bulk_work_waits() -> None:
    with counter() as desk:

        def write() -> str:
            assert threading.current_thread() is not threading.main_thread()
            desk.send((CONVERT_NOW, 2), (CONVERT, 3), (TAG, 4), (PING, 9))
            waits(disk.written)
            return "written"

        disk = Disk(desk, write)
        desk.send((SIGN, 1))
        assert desk.serve() == [2, 4, 9, 1, 3]
        assert disk.outcome == "written"
        assert desk.beats == 5


def test_one_after_the_other_as_they_come() -> None:
    with counter() as desk:

        def write() -> None:
            for number in (2, 3, 4, 9):
                desk.send((TAG, number))
                while number not in desk.begun:
                    time.sleep(0.001)
            waits(disk.written)

        disk = Disk(desk, write)
        desk.send((SIGN, 1))
        assert desk.serve() == [2, 3, 4, 9, 1]


def test_what_had_come_before_is_answered_meanwhile_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was bulk work's turn, so somebody waits already when the writing begins."""
    clock = Clock(monkeypatch)
    with counter() as desk:
        disk = Disk(desk, lambda: waits(disk.written))
        work = desk.work

        def slow(frame: Frame) -> None:
            clock.now += 2 if frame.request == 2 else 0
            work(frame)

        desk.work = slow
        desk.send((PING, 2), (PING, 9), (SIGN, 1))
        assert desk.serve() == [2, 9, 1]


def test_work_that_is_done_at_once_costs_nothing() -> None:
    with counter() as desk:
        before = open_files(), threading.active_count()
        for number in range(300):
            assert desk.turns.meanwhile(lambda number=number: number) == number  # type: ignore[misc]
        assert (open_files(), threading.active_count()) == before


def test_what_was_written_before_wakes_nobody_any_more() -> None:
    with counter() as desk, contextlib.ExitStack() as opened:
        desk.turns.meanwhile(lambda: None)
        for _ in range(3):  # they take the numbers of files that are closed by now, and can always be read
            opened.enter_context(Path("/dev/null").open("rb"))
        begun = time.thread_time()
        desk.turns.meanwhile(lambda: time.sleep(0.4))
        assert time.thread_time() - begun < 0.1, "it does not look again and again"


def test_what_fails_meanwhile_fails_as_if_it_were_done_here() -> None:
    with counter() as desk:

        def write() -> None:
            desk.send((PING, 9))
            waits(disk.written)
            raise FileNotFoundError("no disk")

        disk = Disk(desk, write)
        desk.send((SIGN, 1))
        with pytest.raises(FileNotFoundError, match="no disk"):
            desk.serve()
        assert desk.answered() == [9]
        before = open_files()
        with pytest.raises(ZeroDivisionError):
            desk.turns.meanwhile(lambda: 1 // 0)
        assert open_files() == before


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"garbage" * 9, FrameError), (pack(TAG, 666), ZeroDivisionError)],
    ids=["no frame", "a failing answer"],
)
def test_what_ends_an_engine_does_so_when_the_writing_is_done(data: bytes, error: type[Exception]) -> None:
    steps: list[str] = []
    with counter() as desk:

        def write() -> None:
            desk.ours.sendall(data)
            time.sleep(0.1)
            steps.append("written")

        Disk(desk, write)
        desk.send((SIGN, 1))
        with pytest.raises(error):
            desk.serve()
        assert steps == ["written"], "not half"
        assert desk.answered() == []


@pytest.mark.parametrize("crowd", [False, True], ids=["the daemon hung up", "no room to read any more"])
def test_where_nothing_can_come_it_waits_for_the_disk_alone(crowd: bool) -> None:
    spent: list[float] = []
    with counter() as desk:

        def write() -> str:
            desk.send((PING, 9))
            waits(disk.written)
            if crowd:
                desk.send(*((CONVERT, 10 + number) for number in range(MOST_WAITING)))
                time.sleep(0.1)
                desk.send((PING, 30))
            else:
                desk.hang_up()
            time.sleep(0.5)
            return "written"

        def work(frame: Frame) -> None:
            begun = time.thread_time()
            disk.work(frame)
            spent.append(time.thread_time() - begun)

        disk = Disk(desk, write)
        desk.work = work
        desk.send((SIGN, 1))
        bulk = [10 + number for number in range(MOST_WAITING)] if crowd else []
        answered = desk.serve()
        assert disk.outcome == "written"
        assert answered[:2] == [9, 1]
        assert sorted(answered[2:]) == sorted(bulk + [30] * crowd)
        assert answered.index(1) < answered.index(30) if crowd else True
        assert max(spent) < 0.1, "it does not look again and again"
