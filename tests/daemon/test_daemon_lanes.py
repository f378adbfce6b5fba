"""What is handed to engines apart, who goes first in each of the two lanes, and what becomes of what is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.daemon import batching, lanes
from appliance.daemon.batching import Batch, Part
from appliance.daemon.chunks import Chunk
from appliance.daemon.cutting import FRAME_BYTES
from appliance.daemon.lanes import Lanes
from appliance.daemon.problems import Problem
from appliance.daemon.service import MOST_STREAMS
from appliance.daemon.stream import DEPTH
from appliance.engine import frames
from appliance.engine.envelope import NOW, Frame, FrameError, FrameReader, Kind
from appliance.engine.frames import MAX_LINES, MAX_LINES_NOW, TAG_BYTES, Answer
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
    """Everything that an engine can still take, what it answers at once first."""
    return [work for now in (True, False) for work in iter(partial(all_of_them.take, now), None)]


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
        assert taken(both.take(now=False, signs=False)).kind is Kind.CONVERT
        assert both.take(now=False, signs=False) is None
        both.bulk("b", "e", 1, b"2\n")
        assert taken(both.take(now=False, signs=True)).kind is Kind.SIGN, "before bulk work"
        assert taken(both.take(now=False, signs=True)).kind is Kind.CONVERT
        assert both.take(now=False, signs=True) is None

    play(game)


def test_an_engine_without_the_log_key_gets_all_the_rest() -> None:
    async def game() -> None:
        both = Lanes()
        both.sign("a\n")
        both.ask("b", "e", 1, b"1\n")
        both.tag("common.1", b"1\n")
        kinds = {taken(both.take(now=True, signs=False)).kind for _ in range(2)}
        assert kinds == {Kind.CONVERT_NOW, Kind.TAG}
        assert both.take(now=True, signs=False) is both.take(now=False, signs=False) is None
        assert both.waiting == {"small": 0, "lookup": 0, "bulk": 0, "sign": 1}, "the signature waits for another engine"

    play(game)


def test_what_is_answered_at_once_and_the_rest_are_taken_apart() -> None:
    async def game() -> None:
        both = Lanes()
        both.bulk("b", "e", FULL_COUNT, FULL)
        both.sign("a\n")
        assert both.take(now=True) is None, "no engine does them in the middle of something"
        both.ask("b", "e", 1, b"1\n")
        both.tag("common.1", b"2\n")
        slow = [taken(both.take(now=False)).kind for _ in range(2)]
        assert slow == [Kind.SIGN, Kind.CONVERT]
        assert both.take(now=False) is None
        assert {taken(both.take(now=True)).kind for _ in range(2)} == NOW - {Kind.PING}
        assert both.take(now=True) is None

    play(game)


def test_who_asks_is_expected_to_ask_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "RECENT_SECONDS", 0.05)

    async def game() -> None:
        both = Lanes()
        both.bulk("b", "e", 1, b"1\n")
        both.sign("a\n")
        assert not both.pressed, "nobody sits and waits for these"
        for asking in (partial(both.ask, "b", "e", 1), partial(both.tag, "common.1")):
            asking(b"1\n")
            assert both.pressed
            await asyncio.sleep(0.06)
            assert not both.pressed

    play(game)


def test_a_small_request_waits_for_no_bulk_work() -> None:
    async def game() -> None:
        both = Lanes()
        for _ in range(50):
            both.bulk("b", "e", FULL_COUNT, FULL)
        for number in range(20):
            future = both.ask("b", "e", 1, b"%d\n" % number)
            first = taken(both.take(now=True))
            assert isinstance(first, Batch), "at once, whatever waits in the lane for bulk work"
            answer(first)
            assert (await future).lines[:1] == [str(number)]

    play(game)


def test_bulk_work_waits_for_no_small_request() -> None:
    async def game() -> None:
        both = Lanes()
        for number in range(100):
            both.ask("b", "e", 1, b"%d\n" % number)
            both.tag("common.1", b"%d\n" % number)
        future = both.bulk("b", "e", FULL_COUNT, FULL)
        chunk = taken(both.take(now=False))
        assert isinstance(chunk, Chunk)
        answer(chunk)
        assert (await future).lines == FULL.lower()

    play(game)


def test_look_ups_and_small_requests_take_turns_however_many_of_each_come() -> None:
    async def game() -> None:
        both = Lanes()
        seen = []
        for number in range(40):
            both.ask("b", "e", 1, b"%d\n" % number)
            both.tag("common.1", b"%d\n" % number)
            seen.append(taken(both.take(now=True)).kind)
        turns = [set(seen[start : start + 2]) for start in range(0, 40, 2)]
        assert turns == [{Kind.CONVERT_NOW, Kind.TAG}] * 20

    play(game)


def test_small_requests_together_are_no_more_than_is_answered_at_once() -> None:
    async def game() -> None:
        both = Lanes()
        for _ in range(3):
            both.ask("b", "e", 700, b"1\n" * 700)
        batches = rest(both)
        assert [work.count for work in batches] == [700, 700, 700]
        assert batching.MOST_LINES == MAX_LINES_NOW
        for _ in range(1_500):
            both.ask("b", "e", 1, b"1\n")
        batches = rest(both)
        assert [work.count for work in batches] == [MAX_LINES_NOW, 1_500 - MAX_LINES_NOW]
        for work in batches:
            frame = one(work.pack(1))
            assert frame.kind is work.kind is Kind.CONVERT_NOW
            assert frames.read_convert(frame).count == work.count

    play(game)


# --- chunks of bulk work ---------------------------------------------------------------------------


def test_bulk_work_goes_whole_and_in_order() -> None:
    async def game() -> None:
        both = Lanes()
        texts = [FULL, LINE * 7, FULL]
        waiting = [both.bulk("b", "e", text.count(b"\n"), text) for text in texts]
        work = rest(both)
        assert [lines_of(one_of) for one_of in work] == texts
        for one_of in reversed(work):
            answer(one_of)
        assert [done.result().lines for done in waiting] == [text.lower() for text in texts]

    play(game)


@given(st.lists(st.sampled_from([b"good", b"!malformed_number", b"!unknown_number"]), min_size=1, max_size=600))
def test_a_chunk_gets_the_whole_answer_to_its_lines_or_nothing(said: list[bytes]) -> None:
    async def game() -> None:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        chunk = Chunk("b", "e", len(said), LINE * len(said), future, b"an order")
        question = frames.read_convert(one(chunk.pack(1)))
        assert (question.source, question.target, question.order) == ("b", "e", b"an order")
        assert (question.count, question.lines) == (len(said), LINE * len(said))
        counts = [said.count(kind) for kind in (b"good", b"!malformed_number", b"!unknown_number")]
        whole = Answer(*counts, b"".join(line + b"\n" for line in said), bytes(TAG_BYTES * counts[0]))
        shorter = Answer(1, 0, 0, b"good\n" * len(said), bytes(TAG_BYTES))
        if len(said) > 1:
            with pytest.raises(FrameError):
                chunk.settle(one(frames.pack_answer(1, shorter)))
        assert not future.done()
        chunk.settle(one(frames.pack_answer(1, whole)))
        assert await future == whole

    play(game)


def test_a_chunk_that_died_with_its_engine_is_done_by_another_once() -> None:
    async def game() -> None:
        both = Lanes()
        small = both.ask("b", "e", 1, b"1\n")
        futures = [both.bulk("b", "e", FULL_COUNT, FULL) for _ in range(3)]
        batch, first, second = taken(both.take(now=True)), taken(both.take(now=False)), taken(both.take(now=False))
        both.put_back([first, second, batch], "engine_lost")
        again = rest(both)
        assert again[1:3] == [first, second], "before what no engine has had, and in their order"
        answer(again[0])
        answer(first)
        assert (await small).lines[:1] == ["1"]
        assert (await futures[0]).lines == FULL.lower()
        both.put_back([second, again[3]], "engine_lost")
        with pytest.raises(Problem) as caught:
            await futures[1]
        assert caught.value.code == "engine_lost"
        assert rest(both) == [again[3]], "it was lost only once"
        assert not futures[2].done()

    play(game)


def test_when_no_engine_will_come_nothing_waits_any_more() -> None:
    async def game() -> None:
        both = Lanes()
        waiting: list[asyncio.Future[Any]] = [both.bulk("b", "e", 1, b"1\n"), both.bulk("b", "e", FULL_COUNT, FULL)]
        waiting += [both.ask("b", "e", 1, b"1\n"), both.tag("common.1", b"1\n"), both.sign("a\n")]
        both.refuse_all("token_unavailable")
        assert rest(both) == []
        assert set(both.waiting.values()) == {0}
        for future in waiting:
            with pytest.raises(Problem) as caught:
                await future
            assert caught.value.code == "token_unavailable"

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
        work = [taken(both.take(now=True)), taken(both.take(now=False))]
        await asyncio.sleep(0.05)
        assert not small.done() and not large.done()
        for one_of in work:
            answer(one_of)
        assert await small == Part(["1"], b"1".ljust(TAG_BYTES, b"."))
        assert (await large).lines == FULL.lower()

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
        work = taken(both.take(now=True))
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
