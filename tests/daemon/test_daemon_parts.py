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
from appliance.daemon.batching import Batch, Part, Request, Waiting
from appliance.daemon.chunks import Chunk
from appliance.daemon.cutting import FRAME_BYTES, Cutter
from appliance.daemon.deadlines import Deadlines
from appliance.daemon.lanes import CheckpointRefused, Lanes
from appliance.daemon.limits import Bucket
from appliance.daemon.problems import Problem
from appliance.engine import frames, singles
from appliance.engine.envelope import MAX_PAYLOAD, Frame, FrameError, FrameReader, Kind, pack
from appliance.engine.frames import MAX_LINE_BYTES, MAX_LINES, MAX_ORDER_BYTES, TAG_BYTES, Answer
from appliance.engine.link import Work
from appliance.engine.singles import Status, Tagged

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


def request(number: int, count: int = 1, pair: tuple[str, str] = ("b", "e"), order: bytes = b"") -> Request:
    lines = "".join(f"{number}.{line}\n" for line in range(count)).encode()
    return Request(*pair, count, lines, asyncio.get_running_loop().create_future(), order)


def one(data: bytes) -> Frame:
    (frame,) = FrameReader().feed(data)
    return frame


def tag_of(line: str) -> bytes:
    """In these tests a number's tag says whose it is."""
    return line.encode().ljust(TAG_BYTES, b".")


def taken(work: Work | None) -> Work:
    assert work is not None
    return work


def refusal(future: asyncio.Future[Any]) -> str | None:
    error = future.exception()
    return error.code if isinstance(error, Problem) else None


def test_requests_for_one_conversion_go_together_and_come_back_apart() -> None:
    async def game() -> None:
        waiting = Waiting()
        asked = [request(number, count=number % 3 + 1) for number in range(20)]
        for item in asked:
            waiting.add(item)
        batch = waiting.take(0.0)
        assert batch is not None
        assert batch.requests == asked
        assert batch.count == batch.lines.count(b"\n")
        text = batch.lines.replace(b".", b"-")
        tags = b"".join(map(tag_of, text.decode().split()))
        batch.answered(Answer(batch.count, 0, 0, text, tags))
        for number, item in enumerate(asked):
            lines = [f"{number}-{line}" for line in range(item.count)]
            assert item.future.result() == Part(lines, b"".join(map(tag_of, lines)))
        assert waiting.take(0.0) is None
        assert waiting.requests == 0

    play(game)


@given(st.lists(st.lists(st.sampled_from(["A", "!unknown_number", "!malformed_number"]), min_size=1, max_size=5)))
def test_each_request_gets_the_tags_of_its_own_converted_numbers(outcomes: list[list[str]]) -> None:
    async def game() -> None:
        waiting = Waiting()
        asked = [request(number, count=len(lines)) for number, lines in enumerate(outcomes)]
        for item in asked:
            waiting.add(item)
        batch = waiting.take(0.0)
        if batch is None:
            assert not outcomes
            return
        said = [
            line if line[0] == "!" else f"A{number}.{place}"
            for number, lines in enumerate(outcomes)
            for place, line in enumerate(lines)
        ]
        good = [line for line in said if line[0] != "!"]
        counts = len(good), said.count("!malformed_number"), said.count("!unknown_number")
        text = "".join(line + "\n" for line in said).encode()
        batch.settle(one(frames.pack_answer(1, Answer(*counts, text, b"".join(map(tag_of, good))))))
        for item in asked:
            part = item.future.result()
            assert part.tags == b"".join(tag_of(line) for line in part.lines if line[0] != "!")
        assert [line for item in asked for line in item.future.result().lines] == said

    play(game)


def test_requests_under_different_orders_are_never_mixed() -> None:
    async def game() -> None:
        waiting = Waiting()
        orders = [b"", b"one", b"two"]
        for number in range(30):
            waiting.add(request(number, order=orders[number % 3]))
        seen = []
        while (batch := waiting.take(0.0)) is not None:
            assert {item.conversion[2] for item in batch.requests} == {batch.order}
            assert frames.read_convert(one(batch.pack(7))).order == batch.order
            seen.append((batch.order, batch.count))
        assert seen == [(order, 10) for order in orders]

    play(game)


def test_conversions_take_turns_and_are_never_mixed() -> None:
    async def game() -> None:
        waiting = Waiting()
        for number in range(3_000):
            waiting.add(request(number, pair=("b", "e") if number % 2 else ("a", "c")))
        seen = []
        while (batch := waiting.take(0.0)) is not None:
            assert {item.conversion[:2] for item in batch.requests} == {(batch.source, batch.target)}
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
        batch = waiting.take(0.0)
        assert batch is not None
        assert batch.requests == [second]
        second.future.cancel()
        waiting.add(second)
        assert waiting.take(0.0) is None
        assert waiting.requests == 0

    play(game)


def test_small_requests_and_bulk_frames_are_taken_apart() -> None:
    async def game() -> None:
        both = Lanes()
        kicks: list[int] = []
        both.kick = lambda: kicks.append(1)
        large = both.bulk("b", "e", 2, b"1\n2\n")
        small = both.ask("b", "e", 1, b"3\n")
        assert len(kicks) == 2
        second, first = both.take(now=False), both.take(now=True)
        assert isinstance(first, Batch) and isinstance(second, Chunk)
        first.answered(Answer(1, 0, 0, b"x\n", tag_of("x")))
        second.settle(one(frames.pack_answer(2, Answer(2, 0, 0, b"y\nz\n", tag_of("y") + tag_of("z")))))
        assert await small == Part(["x"], tag_of("x"))
        assert await large == Answer(2, 0, 0, b"y\nz\n", tag_of("y") + tag_of("z"))
        assert both.take(now=True) is both.take(now=False) is None

    play(game)


def test_a_signature_goes_before_bulk_work_and_look_ups_take_turns_with_small_requests() -> None:
    async def game() -> None:
        both = Lanes()
        both.bulk("b", "e", 1, b"9\n")
        for number in range(3):
            both.tag("common.1", b"%d\n" % number)
            both.ask("b", f"sspin.{number}", 1, b"%d\n" % number)
        both.sign("a\n")
        kinds = [taken(both.take(now=True)).kind for _ in range(6)]
        assert sorted(kinds[0:2]) == sorted(kinds[2:4]) == sorted(kinds[4:6]) == [Kind.TAG, Kind.CONVERT_NOW]
        assert [taken(both.take(now=False)).kind for _ in range(2)] == [Kind.SIGN, Kind.CONVERT]
        assert both.take(now=True) is both.take(now=False) is None

    play(game)


def test_a_look_up_and_a_signature_are_frames_of_their_own() -> None:
    async def game() -> None:
        both = Lanes()
        signed, tagged = both.sign("the text\n"), both.tag("common.1", b"123456789018\n")
        first, second = taken(both.take(now=False)), taken(both.take(now=True))
        assert singles.read_sign(one(first.pack(5))) == "the text\n"
        assert singles.read_tag(one(second.pack(6))) == singles.Tag("common.1", b"123456789018\n")
        assert (first.count, second.count) == (0, 0), "no lines were converted"
        for wrong in (frames.pack_answer(1, Answer(1, 0, 0, b"x\n", tag_of("x"))), pack(Kind.PONG, 1)):
            for work in (first, second):
                with pytest.raises(FrameError, match="not the answer to that question"):
                    work.settle(one(wrong))
        assert not signed.done() and not tagged.done()
        first.settle(one(pack(Kind.SIGNED, 5, b"s" * 64)))
        second.settle(one(singles.pack_tagged(6, Tagged(Status.OK, (tag_of("new"), tag_of("old"))))))
        assert await signed == b"s" * 64
        assert await tagged == Tagged(Status.OK, (tag_of("new"), tag_of("old")))

    play(game)


def test_a_checkpoint_that_is_refused_is_a_defect_to_callers() -> None:
    async def game() -> None:
        both = Lanes()
        future = both.sign("a\n")
        taken(both.take(now=False)).refused("checkpoint_refused")
        with pytest.raises(CheckpointRefused) as caught:
            await future
        assert (caught.value.code, caught.value.status) == ("internal", 500)
        assert b"checkpoint_refused" not in caught.value.body()

    play(game)


def test_nobody_waits_for_what_was_given_up() -> None:
    async def game() -> None:
        both = Lanes()
        given_up: list[asyncio.Future[Any]] = [both.sign("a\n"), both.tag("c", b"1\n"), both.bulk("b", "e", 1, b"1\n")]
        for future in given_up:
            future.cancel()
        assert both.take(now=True) is both.take(now=False) is None

    play(game)


def test_an_order_that_no_frame_can_carry_is_refused_at_once() -> None:
    async def game() -> None:
        both = Lanes()
        for ask, now in ((both.ask, True), (both.bulk, False)):
            with pytest.raises(Problem) as caught:
                ask("b", "e", 1, b"1\n", bytes(MAX_ORDER_BYTES + 1))
            assert (caught.value.code, caught.value.status) == ("order_invalid", 403)
            ask("b", "e", 1, b"1\n", bytes(MAX_ORDER_BYTES))
            taken(both.take(now)).pack(1)

    play(game)


def test_after_an_engine_died_requests_are_tried_once_more_each_alone() -> None:
    async def game() -> None:
        both = Lanes()
        futures = [both.ask("b", "e", 1, b"%d\n" % number, b"order") for number in range(3)]
        large = both.bulk("b", "e", 1, b"9\n", b"another")
        work = [taken(both.take(now=False)), taken(both.take(now=True))]
        both.put_back(work, "engine_lost")
        again = [*(taken(both.take(now=True)) for _ in range(3)), taken(both.take(now=False))]
        asked = [frames.read_convert(one(item.pack(1))) for item in again]
        assert [(question.lines, question.order) for question in asked] == [
            (b"0\n", b"order"),
            (b"1\n", b"order"),
            (b"2\n", b"order"),
            (b"9\n", b"another"),
        ]
        again[0].settle(one(frames.pack_answer(1, Answer(1, 0, 0, b"x\n", tag_of("x")))))
        both.put_back(again[1:], "token_unavailable")
        assert both.take(now=True) is both.take(now=False) is None, "not a third time"
        assert await futures[0] == Part(["x"], tag_of("x"))
        for future in (*futures[1:], large):
            with pytest.raises(Problem) as caught:
                await future
            assert (caught.value.code, caught.value.status) == ("token_unavailable", 503)

    play(game)


def test_look_ups_and_signatures_are_tried_once_more_too() -> None:
    async def game() -> None:
        both = Lanes()
        waiting: list[asyncio.Future[Any]] = [both.sign("1\n"), both.sign("2\n"), both.tag("c", b"1\n")]
        order = (False, False, True)
        work = [taken(both.take(now)) for now in order]
        both.put_back(work, "engine_lost")
        assert [taken(both.take(now)) for now in order] == work, "in their order"
        both.put_back(work, "token_unavailable")
        assert both.take(now=True) is both.take(now=False) is None
        assert [refusal(future) for future in waiting] == ["token_unavailable"] * 3

    play(game)


def test_all_lanes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound, most in (("MOST_REQUESTS", 3), ("MOST_CHUNKS", 2), ("MOST_LOOKUPS", 2), ("MOST_SIGNATURES", 1)):
        monkeypatch.setattr(lanes, bound, most)

    async def game() -> None:
        all_of_them = Lanes()
        asks: list[tuple[int, Callable[[], asyncio.Future[Any]]]] = [
            (3, lambda: all_of_them.ask("b", "e", 1, b"x\n")),
            (2, lambda: all_of_them.bulk("b", "e", 1, b"x\n")),
            (2, lambda: all_of_them.tag("common.1", b"x\n")),
            (1, lambda: all_of_them.sign("x\n")),
        ]
        waiting = [ask() for most, ask in asks for _ in range(most)]
        for _, ask in asks:
            with pytest.raises(Problem) as caught:
                ask()
            assert caught.value.code == "overloaded"
            assert caught.value.headers["Retry-After"] == "1"
        all_of_them.refuse_all("token_unavailable")
        assert [refusal(future) for future in waiting] == ["token_unavailable"] * 8
        for _, ask in asks:
            ask()

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
