"""Frames: whatever pieces they arrive in, and whatever the other side may send instead."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine import envelope, frames, singles
from appliance.engine.envelope import Frame, FrameError, FrameReader, Kind
from appliance.engine.frames import CHECKPOINT_REFUSED, ERROR_CODES, TAG_BYTES, Answer, Convert
from appliance.engine.singles import Status, Tag, Tagged

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=frames.MAX_NAME_BYTES)
line = st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b" "))
lines = st.lists(line, min_size=1, max_size=50)
FAILED = {1: b"!malformed_number", 2: b"!unknown_number"}


def one(data: bytes) -> Frame:
    (frame,) = FrameReader().feed(data)
    return frame


@given(names, names, lines, st.binary(max_size=80), st.integers(0, 2**64 - 1), st.booleans())
def test_a_question_reads_back(
    source: str, target: str, numbers: list[bytes], order: bytes, request_id: int, now: bool
) -> None:
    text = b"\n".join(numbers) + b"\n"
    frame = one(frames.pack_convert(request_id, source, target, len(numbers), text, order, now=now))
    assert frame.request == request_id
    assert frame.kind is (Kind.CONVERT_NOW if now else Kind.CONVERT)
    assert frames.read_convert(frame) == Convert(source, target, len(numbers), text, order)


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=50), st.data())
def test_an_answer_reads_back(outcomes: list[int], data: st.DataObject) -> None:
    number = line.filter(lambda raw: not raw.startswith(b"!"))
    text = b"".join((FAILED[outcome] if outcome else data.draw(number)) + b"\n" for outcome in outcomes)
    counts = [outcomes.count(outcome) for outcome in range(3)]
    size = TAG_BYTES * counts[0]
    answer = Answer(*counts, text, data.draw(st.binary(min_size=size, max_size=size)))
    assert frames.read_answer(one(frames.pack_answer(7, answer)), len(outcomes)) == answer


@given(names, line, st.integers(0, 2**64 - 1))
def test_a_look_up_reads_back(source: str, number: bytes, request_id: int) -> None:
    frame = one(singles.pack_tag(request_id, source, number + b"\n"))
    assert (frame.kind, frame.request) == (Kind.TAG, request_id)
    assert singles.read_tag(frame) == Tag(source, number + b"\n")


@given(st.lists(st.binary(min_size=TAG_BYTES, max_size=TAG_BYTES), min_size=1, max_size=5), st.sampled_from(Status))
def test_tags_read_back(tags: list[bytes], status: Status) -> None:
    tagged = Tagged(status, tuple(tags) if status is Status.OK else ())
    assert singles.read_tagged(one(singles.pack_tagged(7, tagged))) == tagged


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=100))
def test_a_text_to_be_signed_reads_back(text: str) -> None:
    assert singles.read_sign(one(singles.pack_sign(7, text))) == text


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60)))
def test_frames_arrive_in_any_pieces(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"".join(envelope.pack(Kind.PING, number, payload) for number, payload in enumerate(payloads))
    reader = FrameReader()
    seen: list[Frame] = []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        seen += reader.feed(piece)
    assert seen == [Frame(Kind.PING, number, payload) for number, payload in enumerate(payloads)]
    assert reader.pending == 0


READERS: list[Callable[[Frame], object]] = [
    frames.read_convert,
    lambda frame: frames.read_answer(frame, 1),
    lambda frame: frames.read_error(frame, Kind.CONVERT),
    singles.read_tag,
    singles.read_tagged,
    singles.read_signed,
]


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for_but_never_breaks(noise: bytes) -> None:
    reader = FrameReader()
    try:
        for frame in reader.feed(noise):
            for read in READERS:
                with pytest.raises(FrameError):
                    read(frame)
    except FrameError as error:
        assert error.exit_code == 70


def header(magic: bytes = b"KF", version: int = 3, kind: int = 6, length: int = 0) -> bytes:
    return struct.pack("!2sBBQI", magic, version, kind, 1, length)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header(magic=b"KG"), "wrong magic or version"),
        (header(version=2), "wrong magic or version"),
        (header(version=4), "wrong magic or version"),
        (header(kind=0), "unknown kind 0"),
        (header(kind=15), "unknown kind 15"),
        (header(length=envelope.MAX_PAYLOAD + 1), "at most"),
        (header(length=2**32 - 1), "at most"),
    ],
)
def test_a_bad_header_is_refused_before_its_payload_is_kept(data: bytes, said: str) -> None:
    reader = FrameReader()
    with pytest.raises(FrameError, match=said):
        list(reader.feed(data))
    assert reader.pending == len(data)


def test_the_largest_frames_fit() -> None:
    text = (b"x" * frames.MAX_LINE_BYTES + b"\n") * frames.MAX_LINES
    name, order = "n" * frames.MAX_NAME_BYTES, b"o" * frames.MAX_ORDER_BYTES
    question = frames.read_convert(one(frames.pack_convert(1, name, name, frames.MAX_LINES, text, order)))
    assert (question.lines, question.order) == (text, order)
    answer = Answer(frames.MAX_LINES, 0, 0, text, bytes(TAG_BYTES) * frames.MAX_LINES)
    assert frames.read_answer(one(frames.pack_answer(1, answer)), frames.MAX_LINES) == answer


def test_a_question_for_now_is_as_large_as_can_be_answered_at_once() -> None:
    text = b"x\n" * frames.MAX_LINES_NOW
    most = frames.read_convert(one(frames.pack_convert(1, "a", "b", 1_024, text, now=True)))
    assert (most.count, most.lines) == (1_024, text)
    with pytest.raises(FrameError, match="^frame CONVERT_NOW: 1025 lines; 1 to 1024 are allowed$"):
        frames.read_convert(one(frames.pack_convert(1, "a", "b", 1_025, text + b"x\n", now=True)))
    assert frames.read_convert(one(frames.pack_convert(1, "a", "b", 1_025, text + b"x\n"))).count == 1_025


def test_a_larger_one_is_not_sent() -> None:
    with pytest.raises(FrameError, match="bytes of payload"):
        envelope.pack(Kind.CONVERT, 1, bytes(envelope.MAX_PAYLOAD + 1))


def question(source: bytes, target: bytes, count: int, text: bytes, order: int = 0) -> Frame:
    head = struct.pack("!BBIH", len(source), len(target), count, order)
    return Frame(Kind.CONVERT, 1, head + source + target + text)


@pytest.mark.parametrize("kind", [Kind.CONVERT, Kind.CONVERT_NOW], ids=["bulk", "now"])
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
        (question(b"a", b"b", 1, b"x\n", order=2), "not as many as it says"),
        (question(b"a", b"b", 1, b"x\n", order=3), "shorter than its names and its order"),
        (question(b"a", b"b", 1, b"x\n", order=65_535), "shorter than its names and its order"),
    ],
)
def test_a_question_whose_lines_could_shift_is_refused(frame: Frame, said: str, kind: Kind) -> None:
    with pytest.raises(FrameError, match=f"^frame {kind.name}: .*{said}"):
        frames.read_convert(frame._replace(kind=kind))


T = bytes(TAG_BYTES)


@pytest.mark.parametrize(
    ("answer", "count", "said"),
    [
        (Answer(1, 0, 0, b"x\n", T), 2, "do not add up"),
        (Answer(2, 0, 0, b"x\n", T + T), 2, "not as many"),
        (Answer(1, 1, 0, b"x\ny\nz\n", T), 2, "not as many"),
        (Answer(1, 0, 0, b"x", T), 1, "not as many"),
        (Answer(1, 0, 0, b"x\n"), 1, "not one tag for each"),
        (Answer(1, 0, 0, b"x\n", T + T), 1, "not one tag for each"),
        (Answer(1, 0, 0, b"x\n", T[1:]), 1, "not one tag for each"),
        (Answer(0, 1, 0, b"!malformed_number\n", T), 1, "not one tag for each"),
        (Answer(1, 0, 0, b"!unknown_number\n", T), 1, "not those of its lines"),
        (Answer(0, 0, 1, b"x\n"), 1, "not those of its lines"),
        (Answer(1, 0, 1, b"x\ny\n", T), 2, "not those of its lines"),
    ],
)
def test_an_answer_beside_the_wrong_question_or_person_is_refused(answer: Answer, count: int, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        frames.read_answer(one(frames.pack_answer(1, answer)), count)


def test_an_answer_that_is_cut_within_its_tags_is_refused() -> None:
    head = frames.ANSWER_HEAD.pack(1, 0, 0, TAG_BYTES)
    for payload in (head, head + T[1:], head + T):
        with pytest.raises(FrameError, match="the lines are not as many as it says"):
            frames.read_answer(Frame(Kind.ANSWER, 1, payload), 1)
    with pytest.raises(FrameError, match="shorter than its head"):
        frames.read_answer(Frame(Kind.ANSWER, 1, head[1:]), 1)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "shorter than its head and its name"),
        (b"\x05abc", "shorter than its head and its name"),
        (b"\x00x\n", "empty or too long"),
        (b"\x41" + b"a" * 65 + b"x\n", "empty or too long"),
        (b"\x01\xe9x\n", "not ASCII"),
        (b"\x01a", "not as many"),
        (b"\x01ax", "not as many"),
        (b"\x01ax\ny\n", "not as many"),
        (b"\x01a" + b"x" * 257 + b"\n", "a line that is too long"),
    ],
)
def test_a_look_up_is_of_one_number(payload: bytes, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        singles.read_tag(Frame(Kind.TAG, 1, payload))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "no status"),
        (b"\x03", "an unknown one"),
        (b"\x00", "other tags than its status"),
        (b"\x00" + T[1:], "other tags than its status"),
        (b"\x00" + T + b"x", "other tags than its status"),
        (b"\x01" + T, "other tags than its status"),
        (b"\x02" + T, "other tags than its status"),
    ],
)
def test_tags_are_there_exactly_when_the_number_is_somebodys(payload: bytes, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        singles.read_tagged(Frame(Kind.TAGGED, 1, payload))


@pytest.mark.parametrize(
    ("payload", "said"), [(b"", "0 bytes"), (b"x" * 513, "513 bytes; 1 to 512"), (b"\xff", "not UTF-8")]
)
def test_no_more_than_a_checkpoint_can_be_given_to_sign(payload: bytes, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        singles.read_sign(Frame(Kind.SIGN, 1, payload))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_has_64_bytes(length: int) -> None:
    with pytest.raises(FrameError, match=f"{length} bytes; a signature has 64"):
        singles.read_signed(Frame(Kind.SIGNED, 1, bytes(length)))


def test_an_answer_of_another_kind_is_none() -> None:
    answer = frames.pack_answer(1, Answer(1, 0, 0, b"x\n", T))
    for read in (singles.read_tagged, singles.read_signed):
        with pytest.raises(FrameError, match="frame ANSWER: not the answer to that question"):
            read(one(answer))
    with pytest.raises(FrameError, match="frame SIGNED: not the answer to that question"):
        frames.read_answer(Frame(Kind.SIGNED, 1, bytes(64)), 1)


LOOK_UP_CODES = {"pair_denied", "unknown_generation", "generation_unusable"}


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        (Kind.CONVERT, set(ERROR_CODES)),
        (Kind.CONVERT_NOW, set(ERROR_CODES)),
        (Kind.TAG, LOOK_UP_CODES),
        (Kind.SIGN, {CHECKPOINT_REFUSED}),
        (Kind.PING, set()),
    ],
)
def test_each_question_can_be_refused_with_its_own_codes_only(question: Kind, allowed: set[str]) -> None:
    for code in {*ERROR_CODES, CHECKPOINT_REFUSED, "", "internal", "\xff"}:
        frame = Frame(Kind.ERROR, 1, code.encode("latin-1"))
        if code in allowed:
            assert frames.read_error(frame, question) == code
        else:
            with pytest.raises(FrameError, match="unknown code"):
                frames.read_error(frame, question)


def test_last_words_are_strict_too() -> None:
    failed = frames.Failed(reason="pin", message="wrong PIN", hint=None, exit_code=5)
    frame = one(frames.pack_record(Kind.FAILED, failed))
    assert frames.read_record(frame, frames.Failed) == failed
    with pytest.raises(FrameError, match="unknown field"):
        frames.read_record(Frame(Kind.FAILED, 0, frame.payload.replace(b"hint", b"hunt")), frames.Failed)
    with pytest.raises(FrameError):
        frames.read_record(frame, frames.Hello)
