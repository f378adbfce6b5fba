"""The daemon's small parts, each by itself: cutting, rate limit, batches, lanes, deadlines."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.daemon import batching, deadlines, lanes
from appliance.daemon.batching import Batch, Request, Waiting
from appliance.daemon.cutting import FRAME_BYTES, Cutter
from appliance.daemon.deadlines import Deadlines
from appliance.daemon.lanes import Chunk, Lanes
from appliance.daemon.limits import Bucket
from appliance.daemon.problems import Problem
from appliance.engine.frames import MAX_LINE_BYTES, MAX_LINES, MAX_PAYLOAD, Answer

# --- cutting ---------------------------------------------------------------------------------------


def cut(pieces: list[bytes], most: int = MAX_LINES) -> list[tuple[bytes, int]]:
    cutter = Cutter(most)
    return [frame for piece in pieces for frame in cutter.feed(piece)] + list(cutter.finish())


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(
    st.lists(st.text("AB1", max_size=8), max_size=60), st.booleans(), st.lists(st.integers(1, 40)), st.integers(1, 9)
)
def test_cutting_keeps_every_line_whole_and_in_order(
    lines: list[str], ended: bool, sizes: list[int], most: int
) -> None:
    data = "\n".join(lines).encode() + (b"\n" if ended and lines else b"")
    frames = cut(in_pieces(data, sizes), most)
    expected = data if data.endswith(b"\n") or not data else data + b"\n"
    assert b"".join(text for text, _ in frames) == expected
    for text, count in frames:
        assert text.endswith(b"\n")
        assert text.count(b"\n") == count <= most


@given(st.integers(0, 5), st.integers(MAX_LINE_BYTES + 1, 5_000), st.lists(st.integers(1, 900)))
def test_a_line_that_is_too_long_stays_one_line_and_stays_too_long(before: int, length: int, sizes: list[int]) -> None:
    data = b"OK\n" * before + b"x" * length + b"\nOK\n"
    text = b"".join(frame for frame, _ in cut(in_pieces(data, sizes)))
    lines = text.split(b"\n")
    assert lines[:before] == [b"OK"] * before
    assert len(lines[before]) > MAX_LINE_BYTES
    assert lines[before + 1 :] == [b"OK", b""]


def test_a_body_without_a_newline_takes_no_memory() -> None:
    cutter = Cutter(MAX_LINES)
    for _ in range(1_000):
        assert list(cutter.feed(b"x" * 100_000)) == []
        assert len(cutter._rest) <= MAX_LINE_BYTES + 1
    assert [(len(text), count) for text, count in cutter.finish()] == [(MAX_LINE_BYTES + 2, 1)]


def test_frames_are_about_as_large_as_they_should_be() -> None:
    frames = cut([b"ABC98765XYZ\n" * 100_000])
    assert sum(count for _, count in frames) == 100_000
    assert all(FRAME_BYTES - 12 <= len(text) <= FRAME_BYTES for text, _ in frames[:-1])


@pytest.mark.parametrize("line", [b"\n", b"x" * 255 + b"\n", b"y" * 1_000_000 + b"\n"])
def test_no_frame_is_larger_than_an_engine_takes(line: bytes) -> None:
    for text, count in cut([line * (2_000_000 // len(line))]):
        assert count <= MAX_LINES
        assert len(text) <= MAX_PAYLOAD - 256


# --- rate limit ------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_what_it_has_and_says_how_long_to_wait() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    assert bucket.take(50) == 0
    assert bucket.take(20) == pytest.approx(10)
    assert bucket.take(10) == 0
    clock.now += 9.9
    assert bucket.take(10) == pytest.approx(0.1)
    clock.now += 0.2
    assert bucket.take(10) == 0


def test_a_bucket_never_holds_more_than_a_minute() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    clock.now += 100_000
    assert bucket.take(61) == math.inf
    assert bucket.take(60) == 0
    assert bucket.take(1) == pytest.approx(1)


@given(st.integers(1, 1_000), st.lists(st.tuples(st.floats(0, 100), st.integers(1, 1_000)), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(per_minute: int, asked: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = Bucket(per_minute, clock)
    given_out = 0
    for pause, count in asked:
        clock.now += pause
        given_out += count if bucket.take(count) == 0 else 0
        assert given_out <= per_minute * (1 + (clock.now - 100) / 60) + 1e-6


def test_a_changed_limit_keeps_what_is_used_up() -> None:
    bucket = Bucket(60, Clock())
    bucket.take(50)
    bucket.resize(120)
    assert bucket.take(71) > 0
    assert bucket.take(70) == 0
    bucket.resize(0)
    assert bucket.take(1) == math.inf


# --- batches and lanes -----------------------------------------------------------------------------


def play(game: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(game(), 20))


def request(number: int, count: int = 1, pair: tuple[str, str] = ("b", "e")) -> Request:
    lines = "".join(f"{number}.{line}\n" for line in range(count)).encode()
    return Request(*pair, count, lines, asyncio.get_running_loop().create_future())


def upper(batch: Batch | Chunk) -> Answer:
    return Answer(batch.count, 0, 0, batch.lines.replace(b".", b"-"))


def test_requests_for_one_conversion_go_together_and_come_back_apart() -> None:
    async def game() -> None:
        waiting = Waiting()
        asked = [request(number, count=number % 3 + 1) for number in range(20)]
        for item in asked:
            waiting.add(item)
        batch = waiting.take()
        assert batch is not None
        assert batch.requests == asked
        assert batch.count == batch.lines.count(b"\n")
        batch.answered(upper(batch))
        for number, item in enumerate(asked):
            assert item.future.result() == [f"{number}-{line}" for line in range(item.count)]
        assert waiting.take() is None
        assert waiting.requests == 0

    play(game)


def test_conversions_take_turns_and_are_never_mixed() -> None:
    async def game() -> None:
        waiting = Waiting()
        for number in range(3_000):
            waiting.add(request(number, pair=("b", "e") if number % 2 else ("a", "c")))
        seen = []
        while (batch := waiting.take()) is not None:
            assert {(item.source, item.target) for item in batch.requests} == {(batch.source, batch.target)}
            assert batch.count <= batching.MOST_LINES
            seen.append(batch.source)
        assert seen == ["a", "b", "a", "b"]

    play(game)


def test_a_request_nobody_waits_for_is_not_asked() -> None:
    async def game() -> None:
        waiting = Waiting()
        first, second = request(1), request(2)
        waiting.add(first)
        waiting.add(second)
        first.future.cancel()
        batch = waiting.take()
        assert batch is not None
        assert batch.requests == [second]
        second.future.cancel()
        waiting.add(second)
        assert waiting.take() is None
        assert waiting.requests == 0

    play(game)


def test_small_requests_go_before_bulk_frames() -> None:
    async def game() -> None:
        both = Lanes()
        kicks: list[int] = []
        both.kick = lambda: kicks.append(1)
        large = both.bulk("b", "e", 2, b"1\n2\n")
        small = both.ask("b", "e", 1, b"3\n")
        assert len(kicks) == 2
        first, second = both.take(), both.take()
        assert isinstance(first, Batch) and isinstance(second, Chunk)
        first.answered(Answer(1, 0, 0, b"x\n"))
        second.answered(Answer(2, 0, 0, b"y\nz\n"))
        assert await small == ["x"]
        assert (await large).lines == b"y\nz\n"
        assert both.take() is None

    play(game)


def test_after_an_engine_died_requests_are_tried_once_more_each_alone() -> None:
    async def game() -> None:
        both = Lanes()
        futures = [both.ask("b", "e", 1, b"%d\n" % number) for number in range(3)]
        large = both.bulk("b", "e", 1, b"9\n")
        work = [both.take(), both.take()]
        both.put_back([item for item in work if item], "engine_lost")
        again = [both.take() for _ in range(4)]
        assert [item.lines for item in again if item] == [b"0\n", b"1\n", b"2\n", b"9\n"]
        assert again[0] is not None
        again[0].answered(Answer(1, 0, 0, b"x\n"))
        both.put_back([item for item in again[1:] if item], "token_unavailable")
        assert both.take() is None, "not a third time"
        assert await futures[0] == ["x"]
        for future in (*futures[1:], large):
            with pytest.raises(Problem) as caught:
                await future
            assert (caught.value.code, caught.value.status) == ("token_unavailable", 503)

    play(game)


def test_both_lanes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_REQUESTS", 3)
    monkeypatch.setattr(lanes, "MOST_FRAMES", 2)

    async def game() -> None:
        both = Lanes()
        waiting: list[asyncio.Future[Any]] = [both.ask("b", "e", 1, b"x\n") for _ in range(3)]
        waiting += [both.bulk("b", "e", 1, b"x\n") for _ in range(2)]
        for ask in (both.ask, both.bulk):
            with pytest.raises(Problem) as caught:
                ask("b", "e", 1, b"x\n")
            assert caught.value.code == "overloaded"
            assert caught.value.headers["Retry-After"] == "1"
        both.refuse_all("token_unavailable")
        codes = [getattr(future.exception(), "code", None) for future in waiting]
        assert codes == ["token_unavailable"] * 5
        both.ask("b", "e", 1, b"x\n")

    play(game)


def test_what_is_not_done_in_time_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LOOK_SECONDS", 0.02)

    async def game() -> None:
        watch = Deadlines(0.1)
        loop = asyncio.get_running_loop()
        done, late = loop.create_future(), loop.create_future()
        watch.watch(done)
        watch.watch(late)
        done.set_result(1)
        await asyncio.sleep(0.05)
        assert not late.done()
        with pytest.raises(Problem) as caught:
            await late
        assert (caught.value.code, caught.value.status) == ("deadline_exceeded", 504)
        watch.close()

    play(game)
