"""Frames: whatever pieces they arrive in, and whatever the other side may send instead."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine import frames
from appliance.engine.frames import Answer, Convert, Frame, FrameError, FrameReader, Kind

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=frames.MAX_NAME_BYTES)
lines = st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b" ")), min_size=1, max_size=50)


def one(data: bytes) -> Frame:
    (frame,) = FrameReader().feed(data)
    return frame


@given(names, names, lines, st.integers(0, 2**64 - 1))
def test_a_question_reads_back(source: str, target: str, numbers: list[bytes], request_id: int) -> None:
    text = b"\n".join(numbers) + b"\n"
    frame = one(frames.pack_convert(request_id, source, target, len(numbers), text))
    assert frame.request == request_id
    assert frames.read_convert(frame) == Convert(source, target, len(numbers), text)


@given(lines, st.data())
def test_an_answer_reads_back(numbers: list[bytes], data: st.DataObject) -> None:
    count = len(numbers)
    malformed = data.draw(st.integers(0, count))
    unknown = data.draw(st.integers(0, count - malformed))
    answer = Answer(count - malformed - unknown, malformed, unknown, b"\n".join(numbers) + b"\n")
    assert frames.read_answer(one(frames.pack_answer(7, answer)), count) == answer


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60)))
def test_frames_arrive_in_any_pieces(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"".join(frames.pack(Kind.PING, number, payload) for number, payload in enumerate(payloads))
    reader = FrameReader()
    seen: list[Frame] = []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        seen += reader.feed(piece)
    assert seen == [Frame(Kind.PING, number, payload) for number, payload in enumerate(payloads)]
    assert reader.pending == 0


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for_but_never_breaks(noise: bytes) -> None:
    reader = FrameReader()
    try:
        for frame in reader.feed(noise):
            for read in (frames.read_convert, lambda it: frames.read_answer(it, 1), frames.read_error):
                with pytest.raises(FrameError):
                    read(frame)
    except FrameError as error:
        assert error.exit_code == 70


def header(magic: bytes = b"KF", version: int = 1, kind: int = 6, length: int = 0) -> bytes:
    return struct.pack("!2sBBQI", magic, version, kind, 1, length)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header(magic=b"KG"), "wrong magic or version"),
        (header(version=2), "wrong magic or version"),
        (header(kind=0), "unknown kind 0"),
        (header(kind=8), "unknown kind 8"),
        (header(length=frames.MAX_PAYLOAD + 1), "at most"),
        (header(length=2**32 - 1), "at most"),
    ],
)
def test_a_bad_header_is_refused_before_its_payload_is_kept(data: bytes, said: str) -> None:
    reader = FrameReader()
    with pytest.raises(FrameError, match=said):
        list(reader.feed(data))
    assert reader.pending == len(data)


def test_the_largest_frame_fits() -> None:
    text = (b"x" * frames.MAX_LINE_BYTES + b"\n") * frames.MAX_LINES
    name = "n" * frames.MAX_NAME_BYTES
    assert frames.read_convert(one(frames.pack_convert(1, name, name, frames.MAX_LINES, text))).lines == text


def test_a_larger_one_is_not_sent() -> None:
    with pytest.raises(FrameError, match="bytes of payload"):
        frames.pack(Kind.CONVERT, 1, bytes(frames.MAX_PAYLOAD + 1))


def question(source: bytes, target: bytes, count: int, text: bytes) -> Frame:
    head = struct.pack("!BBI", len(source), len(target), count)
    return Frame(Kind.CONVERT, 1, head + source + target + text)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(Kind.CONVERT, 1, b"\x01\x01"), "shorter than its head"),
        (question(b"", b"b", 1, b"x\n"), "empty or too long"),
        (question(b"a" * 65, b"b", 1, b"x\n"), "empty or too long"),
        (question(b"a", b"\xe9", 1, b"x\n"), "not ASCII"),
        (question(b"a", b"b", 0, b""), "0 lines"),
        (question(b"a", b"b", 8193, b"x\n" * 8193), "8193 lines"),
        (question(b"a", b"b", 2, b"x\n"), "not as many as it says"),
        (question(b"a", b"b", 1, b"x\ny\n"), "not as many as it says"),
        (question(b"a", b"b", 1, b"x\ny"), "not as many as it says"),
        (question(b"a", b"b", 1, b"x"), "not as many as it says"),
    ],
)
def test_a_question_whose_lines_could_shift_is_refused(frame: Frame, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        frames.read_convert(frame)


@pytest.mark.parametrize(
    ("answer", "count", "said"),
    [
        (Answer(1, 0, 0, b"x\n"), 2, "do not add up"),
        (Answer(2, 0, 0, b"x\n"), 2, "not as many"),
        (Answer(1, 1, 0, b"x\ny\nz\n"), 2, "not as many"),
        (Answer(1, 0, 0, b"x"), 1, "not as many"),
    ],
)
def test_an_answer_beside_the_wrong_question_is_refused(answer: Answer, count: int, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        frames.read_answer(one(frames.pack_answer(1, answer)), count)


def test_only_listed_error_codes_are_taken() -> None:
    assert frames.read_error(Frame(Kind.ERROR, 1, b"pair_denied")) == "pair_denied"
    for payload in (b"", b"internal", b"\xff"):
        with pytest.raises(FrameError, match="unknown code"):
            frames.read_error(Frame(Kind.ERROR, 1, payload))


def test_last_words_are_strict_too() -> None:
    failed = frames.Failed(reason="pin", message="wrong PIN", hint=None, exit_code=5)
    frame = one(frames.pack_record(Kind.FAILED, failed))
    assert frames.read_record(frame, frames.Failed) == failed
    with pytest.raises(FrameError, match="unknown field"):
        frames.read_record(Frame(Kind.FAILED, 0, frame.payload.replace(b"hint", b"hunt")), frames.Failed)
    with pytest.raises(FrameError):
        frames.read_record(frame, frames.Hello)
