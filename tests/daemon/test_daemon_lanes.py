"""Who goes first in the lanes, in what pieces bulk work goes, and what becomes of what is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.daemon import lanes
from appliance.daemon.batching import Batch, Part
from appliance.daemon.cutting import FRAME_BYTES
from appliance.daemon.lanes import MOST_BEFORE_BULK, SMALL_BYTES, Lanes
from appliance.daemon.pieces import Chunk, Piece
from appliance.daemon.problems import Problem
from appliance.daemon.service import MOST_STREAMS
from appliance.daemon.stream import DEPTH
from appliance.engine import frames
from appliance.engine.envelope import Frame, FrameReader, Kind
from appliance.engine.frames import MAX_LINES, TAG_BYTES, Answer
from appliance.engine.link import Work

LINE = b"ABC98765XYZ\n"
FULL = LINE * (FRAME_BYTES // len(LINE))
FULL_COUNT = FULL.count(b"\n")


def play(game: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(game(), 20))


def one(data: bytes) -> Frame:
    (frame,) = FrameReader().feed(data)
    return frame


def lines_of(work: Work) -> bytes:
    """What an engine would read in the frame."""
    return frames.read_convert(one(work.pack(1))).lines


def answer(work: Work) -> None:
    """As an engine: every line is converted into itself in small letters."""
    lines = lines_of(work).lower()
    tags = b"".join(line.ljust(TAG_BYTES, b".")[:TAG_BYTES] for line in lines.split())
    work.settle(one(frames.pack_answer(1, Answer(work.count, 0, 0, lines, tags))))


def taken(work: Work | None) -> Work:
    assert work is not None
    return work


def rest(all_of_them: Lanes) -> list[Work]:
    """Everything that an engine can still take."""
    return list(iter(all_of_them.take, None))


def late_one(future: asyncio.Future[Any]) -> str:
    error = future.exception()
    assert isinstance(error, Problem)
    assert (error.code, error.status) == ("deadline_exceeded", 504)
    return str(error.detail)


# --- who goes first --------------------------------------------------------------------------------


def test_only_an_engine_that_signs_is_asked_for_a_signature() -> None:
    async def game() -> None:
        both = Lanes()
        both.sign("a\n")
        both.bulk("b", "e", 1, b"1\n")
        assert taken(both.take(signs=False)).kind is Kind.CONVERT
        assert both.take(signs=False) is None
        assert taken(both.take(signs=True)).kind is Kind.SIGN
        assert both.take(signs=True) is None

    play(game)


def test_a_small_request_goes_before_all_bulk_work_that_waits() -> None:
    async def game() -> None:
        both = Lanes()
        for _ in range(50):
            both.bulk("b", "e", FULL_COUNT, FULL)
        answer(taken(both.take()))
        for number in range(20):
            future = both.ask("b", "e", 1, b"%d\n" % number)
            first = taken(both.take())
            assert isinstance(first, Batch), "at once, whatever waits in the lane for bulk work"
            answer(first)
            assert (await future).lines[:1] == [str(number)]
            answer(taken(both.take()))

    play(game)


def test_bulk_work_goes_on_however_many_small_requests_come() -> None:
    async def game() -> None:
        both = Lanes()
        future = both.bulk("b", "e", FULL_COUNT, FULL)
        seen: list[type] = []
        for number in range(4 * MOST_BEFORE_BULK):
            both.ask("b", "e", 1, b"%d\n" % number)
            both.tag("common.1", b"%d\n" % number)
            work = taken(both.take())
            seen.append(type(work))
            if isinstance(work, Piece):
                answer(work)
        assert seen[:MOST_BEFORE_BULK].count(Piece) == 0
        assert seen.count(Piece) == 2
        assert (await future).lines == FULL.lower()

    play(game)


def test_small_requests_that_kept_nobody_waiting_do_not_count() -> None:
    async def game() -> None:
        both = Lanes()
        for number in range(3 * MOST_BEFORE_BULK):
            both.ask("b", "e", 1, b"%d\n" % number)
            assert isinstance(both.take(), Batch)
            assert both.take() is None
        both.bulk("b", "e", 1, b"1\n")
        both.ask("b", "e", 1, b"2\n")
        assert isinstance(both.take(), Batch)
        assert isinstance(both.take(), Piece)

    play(game)


# --- pieces ----------------------------------------------------------------------------------------


def test_bulk_work_goes_whole_at_rest() -> None:
    async def game() -> None:
        both = Lanes()
        waiting = [both.bulk("b", "e", FULL_COUNT, FULL) for _ in range(2)]
        work = rest(both)
        assert [lines_of(one_of) for one_of in work] == [FULL, FULL]
        for one_of in reversed(work):
            answer(one_of)
        assert [done.result().lines for done in waiting] == [FULL.lower()] * 2

    play(game)


@pytest.mark.parametrize("engines", [1, 2, 3])
def test_while_small_requests_come_engines_get_small_pieces_one_each(engines: int) -> None:
    async def game() -> None:
        both = Lanes()
        both.engines = lambda: engines
        future = both.bulk("b", "e", FULL_COUNT, FULL)
        for _ in range(3):
            both.bulk("b", "e", FULL_COUNT, FULL)
        both.ask("b", "e", 1, b"1\n")
        assert isinstance(both.take(), Batch)
        flying = rest(both)
        assert len(flying) == engines, "more only when one has come back"
        answer(flying[0])
        flying += rest(both)
        assert len(flying) == engines + 1
        assert all(SMALL_BYTES - 100 < len(lines_of(one_of)) < SMALL_BYTES + 100 for one_of in flying)
        for one_of in flying[1:]:
            answer(one_of)
        if not future.done():
            answer(taken(both.take()))
        assert future.result().lines == FULL.lower()

    play(game)


def test_when_small_requests_stop_coming_pieces_grow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "RECENT_SECONDS", 0.05)

    async def game() -> None:
        both = Lanes()
        both.ask("b", "e", 1, b"1\n")
        both.tag("common.1", b"1\n")
        for _ in range(3):
            both.bulk("b", "e", FULL_COUNT, FULL)
        assert len(rest(both)) == 3, "a small request, a look-up, a small piece"
        await asyncio.sleep(0.06)
        assert [len(lines_of(work)) for work in rest(both)] == [len(FULL) - len(FULL) // 2, len(FULL), len(FULL)]

    play(game)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=600),
    st.integers(1, 4_000),
    st.randoms(use_true_random=False),
)
def test_in_whatever_pieces_answers_are_whole_and_in_order(lengths: list[int], size: int, chance: Any) -> None:
    async def game() -> None:
        text = b"".join(b"A" * length + b"\n" for length in lengths)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        chunk = Chunk("b", "e", len(lengths), text, future, b"an order")
        pieces = []
        while not chunk.taken:
            pieces.append(chunk.take(size))
        assert b"".join(map(lines_of, pieces)) == text
        assert len(pieces) <= -(-len(text) // size), "no small rest is left over"
        assert all(frames.read_convert(one(piece.pack(1))).order == b"an order" for piece in pieces)
        chance.shuffle(pieces)
        for piece in pieces:
            assert not future.done()
            said = [b"!malformed_number" if line else b"good" for line in lines_of(piece).split(b"\n")[:-1]]
            good = said.count(b"good")
            text_back = b"".join(line + b"\n" for line in said)
            back = Answer(good, len(said) - good, 0, text_back, bytes(TAG_BYTES * good))
            piece.settle(one(frames.pack_answer(1, back)))
        whole = await future
        assert whole.converted + whole.malformed == len(lengths) == whole.lines.count(b"\n")
        assert [line.startswith(b"!") for line in whole.lines.split()] == [length > 0 for length in lengths]
        assert len(whole.tags) == TAG_BYTES * whole.converted

    play(game)


def test_a_piece_that_died_with_its_engine_is_done_by_another_once() -> None:
    async def game() -> None:
        both = Lanes()
        both.ask("b", "e", 1, b"1\n")
        future = both.bulk("b", "e", FULL_COUNT, FULL)
        small, first = taken(both.take()), taken(both.take())
        both.put_back([small, first], "engine_lost")
        again = rest(both)
        assert again[1:] == [first], "it counts as one that is under way"
        answer(again[0])
        answer(first)
        second = taken(both.take())
        both.put_back([second], "engine_lost")
        assert both.take() is second
        both.put_back([second], "engine_lost")
        with pytest.raises(Problem) as caught:
            await future
        assert caught.value.code == "engine_lost"
        assert both.take() is None

    play(game)


def test_a_piece_that_waits_to_be_tried_again_goes_with_its_refused_chunk() -> None:
    async def game() -> None:
        both = Lanes()
        both.engines = lambda: 2
        both.ask("b", "e", 1, b"1\n")
        both.bulk("b", "e", FULL_COUNT, FULL)
        answer(taken(both.take()))
        first, second = taken(both.take()), taken(both.take())
        both.put_back([first, second], "engine_lost")
        assert both.take() is first
        both.put_back([first], "engine_lost")
        assert both.take() is None

    play(game)


def test_pieces_of_a_chunk_are_about_alike() -> None:
    async def game() -> None:
        chunk = Chunk("b", "e", 22, LINE * 22, asyncio.get_running_loop().create_future())
        assert [chunk.take(20 * len(LINE)).count for _ in range(2)] == [11, 11]
        assert chunk.taken

    play(game)


def test_what_a_refused_chunk_still_has_is_asked_of_nobody() -> None:
    async def game() -> None:
        both = Lanes()
        both.ask("b", "e", 1, b"1\n")
        both.bulk("b", "e", FULL_COUNT, FULL)
        taken(both.take())
        first = taken(both.take())
        first.refused("order_exhausted")
        assert both.take() is None
        both.bulk("b", "e", 1, b"1\n")
        assert lines_of(taken(both.take())) == b"1\n", "and nothing of it counts as under way"
        both.refuse_all("token_unavailable")
        assert both.take() is None

    play(game)


def test_all_streams_together_never_find_their_lane_full() -> None:
    under_way = DEPTH + 2  # queued, the one waited for, the one that waits to be queued
    assert MOST_STREAMS * under_way < lanes.MOST_CHUNKS


# --- deadlines -------------------------------------------------------------------------------------


def test_what_is_late_when_an_engine_is_free_is_not_given_to_it() -> None:
    async def game() -> None:
        both = Lanes()
        now = asyncio.get_running_loop().time()
        late: list[asyncio.Future[Any]] = [
            both.ask("b", "e", 1, b"1\n", due=now),
            both.tag("common.1", b"2\n", due=now),
            both.bulk("b", "e", 1, b"3\n", due=now),
        ]
        good = both.ask("b", "e", 1, b"4\n", due=now + 5)
        assert [lines_of(work) for work in rest(both)] == [b"4\n"]
        for future in late:
            assert late_one(future) == ("No engine was free for it within its Kagimori-Timeout; nothing was converted.")
        assert not good.done()

    play(game)


def test_what_an_engine_has_in_time_is_answered_whole_however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.01)

    async def game() -> None:
        both = Lanes()
        due = asyncio.get_running_loop().time() + 0.02
        small = both.ask("b", "e", 1, b"1\n", due=due)
        large = both.bulk("b", "e", FULL_COUNT, FULL, due=due)
        work = [taken(both.take()), taken(both.take())]
        await asyncio.sleep(0.05)
        assert not small.done() and not large.done()
        for one_of in work:
            answer(one_of)
        assert await small == Part(["1"], b"1".ljust(TAG_BYTES, b"."))
        answer(taken(both.take()))
        assert (await large).lines == FULL.lower(), "also the half that no engine had when it was due"

    play(game)


def test_who_waits_is_told_even_if_no_engine_takes_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.01)

    async def game() -> None:
        both = Lanes()
        loop = asyncio.get_running_loop()
        patient = both.ask("b", "e", 1, b"1\n")
        waiting: list[asyncio.Future[Any]] = [
            both.ask("b", "e", 1, b"1\n", due=loop.time() + 0.02),
            both.bulk("b", "e", 1, b"3\n", due=loop.time() + 0.03),
            both.tag("common.1", b"2\n", due=loop.time() + 0.04),
        ]
        await asyncio.wait(waiting)
        assert all(map(late_one, waiting))
        assert not patient.done()
        assert both._looking is None or both._looking.when() > loop.time()
        await asyncio.sleep(0.03)
        assert both._looking is None, "nobody looks as long as nothing can be late"
        assert [lines_of(work) for work in rest(both)] == [b"1\n"]

    play(game)


def test_what_came_back_from_a_dead_engine_can_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.01)

    async def game() -> None:
        both = Lanes()
        future = both.ask("b", "e", 1, b"1\n", due=asyncio.get_running_loop().time() + 0.03)
        work = taken(both.take())
        await asyncio.sleep(0.02)
        assert both._looking is None
        both.put_back([work], "engine_lost")
        await asyncio.wait([future])
        assert late_one(future)

    play(game)


def test_what_was_dropped_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("MOST_REQUESTS", "MOST_CHUNKS", "MOST_LOOKUPS"):
        monkeypatch.setattr(lanes, bound, 1)
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.01)

    async def game() -> None:
        both = Lanes()
        asks: list[Callable[[float], asyncio.Future[Any]]] = [
            lambda due: both.ask("b", "e", 1, b"1\n", due=due),
            lambda due: both.bulk("b", "e", 1, b"1\n", due=due),
            lambda due: both.tag("common.1", b"1\n", due=due),
        ]
        now = asyncio.get_running_loop().time()
        late = [ask(now) for ask in asks]
        for ask in asks:
            with pytest.raises(Problem) as caught:
                ask(now)
            assert (caught.value.code, caught.value.headers["Retry-After"]) == ("overloaded", "1")
        await asyncio.wait(late)
        assert all(map(late_one, late))
        for ask in asks:
            assert not ask(now + 60).done()

    play(game)


def test_a_frame_never_has_more_lines_than_an_engine_takes() -> None:
    async def game() -> None:
        both = Lanes()
        both.bulk("b", "e", MAX_LINES, b"\n" * MAX_LINES)
        assert [work.count for work in rest(both)] == [MAX_LINES]

    play(game)
