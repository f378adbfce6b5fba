"""In which order frames are answered: what somebody waits for first, and in the middle of bulk work."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.envelope import NOW, Frame, FrameError, Kind, pack
from appliance.engine.turns import GIVE_WAY_SECONDS, MOST_WAITING, RECEIVE_BYTES
from tests.engine.turnkit import Clock, Counter, counter, for_now

CONVERT, CONVERT_NOW, TAG, PING = Kind.CONVERT, Kind.CONVERT_NOW, Kind.TAG, Kind.PING
SLOW = (CONVERT, Kind.SIGN, Kind.SELF_TEST)
QUICK = (CONVERT_NOW, TAG, PING)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# --- the order -------------------------------------------------------------------------------------


def test_what_somebody_waits_for_goes_first_and_each_kind_keeps_its_order(clock: Clock) -> None:
    with counter() as desk:
        desk.send((CONVERT, 1), (Kind.SIGN, 2), (TAG, 3), (Kind.SELF_TEST, 4), (PING, 5), (CONVERT_NOW, 6))
        desk.hang_up()
        assert desk.serve() == [3, 5, 6, 1, 2, 4]
        assert desk.beats == 6, "a sign of life after each answer"


def test_the_kinds_that_are_answered_at_once_are_these() -> None:
    assert set(QUICK) == NOW


def test_nothing_is_taken_or_answered_before_it_serves() -> None:
    with counter() as desk:
        desk.send((PING, 1), (CONVERT, 2))
        desk.turns.between()
        assert desk.begun == []
        desk.hang_up()
        assert desk.serve() == [1, 2]


def test_what_comes_in_the_middle_of_bulk_work_is_answered_there(clock: Clock) -> None:
    with counter() as desk:

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.turns.between()
                assert desk.answered() == [], "nothing has come"
                desk.send((CONVERT_NOW, 2), (CONVERT, 3), (TAG, 4))
                desk.turns.between()
                assert desk.answered() == [2], "one, then bulk work has its turn"
                desk.turns.between()
                assert desk.answered() == [4]
                desk.turns.between()
                assert desk.begun == [1, 2, 4], "the next bulk work waits for this one"

        desk.work = work
        desk.send((CONVERT, 1))
        assert desk.serve() == [1, 3]


def test_a_frame_is_answered_when_all_of_it_has_come(clock: Clock) -> None:
    with counter() as desk:
        small = pack(CONVERT_NOW, 2, b"x" * 100)

        def work(frame: Frame) -> None:
            if frame.request == 1:
                for place in range(len(small)):
                    desk.turns.between()
                    assert desk.begun == [1]
                    desk.ours.sendall(small[place : place + 1])
                desk.turns.between()
                assert desk.begun == [1, 2]

        desk.work = work
        desk.send((CONVERT, 1))
        assert desk.serve() == [2, 1]


def test_bulk_work_gives_way_between_rounds_only_while_people_wait(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gave_way: list[float] = []
    monkeypatch.setattr(os, "sched_yield", lambda: gave_way.append(clock.now))
    with counter() as desk:

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.turns.between()
                assert gave_way == [], "nobody has asked"
                desk.send((CONVERT_NOW, 2))
                desk.turns.between()
                assert desk.answered() == [2]
                last = clock.now
                for after in (0.0, GIVE_WAY_SECONDS / 2, GIVE_WAY_SECONDS * 0.9):
                    clock.now = last + after
                    desk.turns.between()
                assert gave_way == [last, last + GIVE_WAY_SECONDS / 2, last + GIVE_WAY_SECONDS * 0.9]
                clock.now = last + GIVE_WAY_SECONDS * 1.1
                desk.turns.between()
                assert len(gave_way) == 3, "nobody waits any more"

        desk.work = work
        desk.send((CONVERT, 1))
        assert desk.serve() == [1]


def test_whoever_takes_long_when_it_gives_way_is_not_let_in_again_before_bulk_work_had_its_share(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program computes without end: each time it gets the processor it keeps it for 3 ms."""
    took = [0.0, 0.0]  # the other program, bulk work

    def somebody_else_computes() -> None:
        took[0] += 0.003
        clock.now += 0.003

    monkeypatch.setattr(os, "sched_yield", somebody_else_computes)
    with counter() as desk:

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.turns.between()
                while clock.now < GIVE_WAY_SECONDS:
                    clock.now += 0.0001
                    took[1] += 0.0001
                    desk.turns.between()

        desk.work = work
        clock.now = 0.0
        desk.send((PING, 2), (CONVERT, 1))
        assert desk.serve() == [2, 1]
    assert took[1] >= sum(took) / 3
    assert took[0] > 0.1, "it gave way all the same"


def test_what_has_come_while_it_gave_way_is_answered_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with counter() as desk:
        monkeypatch.setattr(os, "sched_yield", lambda: desk.send((TAG, 3)))

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.turns.between()
                assert desk.answered() == [2, 3]

        desk.work = work
        desk.send((PING, 2), (CONVERT, 1))
        assert desk.serve() == [1]


@given(
    st.lists(st.sampled_from((*SLOW, *QUICK)), max_size=MOST_WAITING),
    st.lists(st.integers(1, 40), max_size=12),
    st.integers(0, 4),
    st.data(),
)
def test_whatever_comes_whenever_in_whatever_pieces(
    kinds: list[Kind], cuts: list[int], rounds: int, data: st.DataObject
) -> None:
    """The time stands still here: bulk work gets no more than a round at a time."""
    frames = [pack(kind, number, b"p" * (7 * number % 23)) for number, kind in enumerate(kinds)]
    ends = list(itertools.accumulate(map(len, frames)))
    rest, sent = b"".join(frames), 0

    def piece() -> None:
        nonlocal rest, sent
        size = cuts.pop() if cuts else len(rest)
        desk.ours.sendall(rest[:size])
        sent, rest = sent + len(rest[:size]), rest[size:]

    def waiting() -> list[int]:
        """What is for now, has come, and is not answered."""
        come = [number for number, end in enumerate(ends) if end <= sent]
        return [number for number in come if kinds[number] in NOW and number not in desk.begun]

    def work(frame: Frame) -> None:
        if for_now(frame):
            return
        assert waiting() == [], "whoever waits goes first"
        for _ in range(rounds):
            if data.draw(st.booleans()):
                piece()
            before, first = len(desk.begun), waiting()[:1]
            desk.turns.between()
            assert desk.begun[before:] == first

    with pytest.MonkeyPatch.context() as patch, counter() as desk:
        Clock(patch)
        desk.work = work
        desk.idle = lambda: piece() if rest else desk.hang_up()
        answered = desk.serve()
    for group in (QUICK, SLOW):
        of_group = [number for number, kind in enumerate(kinds) if kind in group]
        assert [number for number in answered if number in of_group] == of_group
    assert sorted(answered) == list(range(len(kinds)))
    assert desk.beats == len(kinds)


# --- the share of bulk work ------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["one large frame", "many that are not interrupted"])
def test_bulk_work_goes_on_however_many_come(clock: Clock, whole: bool) -> None:
    """What is for now takes 3 s each, and never ends; bulk work takes 30 s in steps of a quarter of a second."""
    moments: list[tuple[float, bool]] = []
    with counter() as desk:
        numbers = itertools.count(1)

        def step() -> None:
            clock.now += 0.25
            moments.append((0.25, False))
            desk.turns.between()

        def work(frame: Frame) -> None:
            assert len(moments) < 200, "bulk work has no turn"
            if for_now(frame):
                clock.now += 3
                moments.append((3, True))
                if sum(time for time, now in moments if not now) < 30:
                    desk.send((CONVERT_NOW, next(numbers)))
            elif whole:
                for _ in range(120):
                    step()
            else:
                clock.now += 0.25
                moments.append((0.25, False))
                if sum(not now for _, now in moments) < 120:
                    desk.send((CONVERT, next(numbers)))

        desk.work = work
        desk.send((CONVERT, next(numbers)), (PING, next(numbers)))
        desk.serve()
    in_turns = [(now, sum(time for time, _ in group)) for now, group in itertools.groupby(moments, lambda one: one[1])]
    assert in_turns[:4] == [(True, 3), (False, 1.5), (True, 3), (False, 1.5)], "a third of the time, and no more"
    assert {times for now, times in in_turns if now} == {3}
    assert sum(time for time, now in moments if not now) == 30
    assert clock.now <= 30 * 3 + 3


@given(st.lists(st.floats(0.001, 9), min_size=1, max_size=20), st.lists(st.floats(0.001, 2), min_size=1, max_size=40))
def test_it_has_a_third_of_the_time_whatever_each_takes(small: list[float], steps: list[float]) -> None:
    """And who waits waits no longer than that, and for the step that is under way."""
    with pytest.MonkeyPatch.context() as patch, counter() as desk:
        clock, spans = Clock(patch), list[tuple[float, float]]()

        def work(frame: Frame) -> None:
            if for_now(frame):
                begun = clock.now
                clock.now += small[len(spans) % len(small)]
                spans.append((begun, clock.now))
                if len(spans) < 2 * len(steps):
                    desk.send((PING, 2))
                return
            desk.send((PING, 2))
            for one in steps:
                desk.turns.between()
                clock.now += one
            spans_before_the_end.extend(spans)

        spans_before_the_end: list[tuple[float, float]] = []
        desk.work = work
        desk.send((CONVERT, 1))
        desk.serve()
    for (begun, ended), (later, _) in itertools.pairwise(spans_before_the_end):
        assert 0.5 * (ended - begun) - 1e-6 <= later - ended < 0.5 * (ended - begun) + max(steps) + 1e-6
    assert spans_before_the_end, "the first one waited for no more than a step"


def test_nobody_waits_for_bulk_work_that_is_not_there(clock: Clock) -> None:
    def work(frame: Frame) -> None:
        clock.now += 100

    with counter() as desk:
        desk.work = work
        desk.send((TAG, 1), (TAG, 2), (PING, 3))
        desk.hang_up()
        assert desk.serve() == [1, 2, 3]
        assert clock.now == 300


# --- bounds, and ends ------------------------------------------------------------------------------


def test_a_daemon_that_sends_more_than_it_should_is_read_no_further(clock: Clock) -> None:
    frame, offered = pack(CONVERT, 7, bytes(RECEIVE_BYTES)), 60
    with counter() as desk:
        rest = memoryview(frame * offered)
        before: list[int] = []

        def push() -> None:
            nonlocal rest
            with contextlib.suppress(BlockingIOError):
                rest = rest[desk.ours.send(rest, socket.MSG_DONTWAIT) :] if rest else rest

        def work(_: Frame) -> None:
            if len(desk.begun) == 1:
                for _ in range(500):
                    push()
                    desk.turns.between()
                before.append(len(rest))
            push()

        desk.work = work
        desk.idle = lambda: push() if rest else desk.hang_up()
        answered = desk.serve()
        buffer = desk.ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        most = (1 + MOST_WAITING) * len(frame) + RECEIVE_BYTES + buffer
        assert offered * len(frame) - before[0] <= most
        assert desk.begun == answered == [7] * offered, "and none is lost"


def test_a_daemon_that_hangs_up_in_the_middle_gets_what_it_asked_for(clock: Clock) -> None:
    with counter() as desk:

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.send((TAG, 2), (CONVERT, 3))
                desk.ours.sendall(pack(PING, 4)[:-3])
                desk.hang_up()
                for _ in range(5):
                    desk.turns.between()
                assert desk.begun == [1, 2]

        desk.work = work
        desk.send((CONVERT, 1))
        assert desk.serve() == [2, 1, 3]


@pytest.mark.parametrize("asked", [0, 1], ids=["for nothing", "for one more thing"])
def test_a_daemon_that_is_gone_in_the_middle_ends_it(clock: Clock, asked: int) -> None:
    with counter() as desk:

        def work(frame: Frame) -> None:
            if frame.request == 1:
                desk.send(*[(PING, 2)] * asked)
                desk.ours.close()
                desk.turns.between()

        desk.work = work
        desk.send((CONVERT, 1), (CONVERT, 3))
        with pytest.raises(OSError, match=r"Broken pipe|Connection reset by peer"):
            desk.serve()
        assert 3 not in desk.begun


def broken(desk: Counter, data: bytes) -> None:
    """Those bytes come in the middle of bulk work."""

    def work(frame: Frame) -> None:
        if frame.request == 1:
            desk.ours.sendall(data)
            desk.turns.between()
            desk.turns.between()
            raise AssertionError("it went on")
        if frame.request == 666:
            raise ZeroDivisionError

    desk.work = work
    desk.send((CONVERT, 1))
    desk.serve()


@pytest.mark.parametrize("data", [b"garbage" * 9, pack(PING, 2)[:2] + b"\x02" + pack(PING, 2)[3:]])
def test_what_is_no_frame_ends_the_bulk_work_too(clock: Clock, data: bytes) -> None:
    with counter() as desk:
        with pytest.raises(FrameError, match="wrong magic or version"):
            broken(desk, data)
        assert desk.answered() == [], "nothing was answered"


def test_frames_before_what_is_no_frame_are_not_answered_any_more(clock: Clock) -> None:
    with counter() as desk:
        with pytest.raises(FrameError):
            broken(desk, pack(PING, 2) + b"garbage" * 9)
        assert desk.answered() == []


def test_what_an_answer_in_the_middle_dies_of_ends_the_bulk_work_too(clock: Clock) -> None:
    with counter() as desk:
        with pytest.raises(ZeroDivisionError):
            broken(desk, pack(PING, 2) + pack(TAG, 666))
        assert desk.answered() == [2], "and the one before was answered"
