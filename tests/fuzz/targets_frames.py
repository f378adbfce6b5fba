"""Targets: what daemon and engine send each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from appliance.engine import envelope, frames, singles
from appliance.engine.envelope import Frame, FrameError, FrameReader, Kind
from appliance.engine.frames import Answer, Failed, GenerationFact, Hello, TokenFact
from appliance.engine.singles import Status, Tagged
from tests.fuzz.mutations import any_bytes, changed_json, mutated
from tests.fuzz.target import Target, parsed

_HELLO = Hello(
    pid=7,
    sequence=3,
    head="ab" * 32,
    signs=True,
    token=TokenFact(label="kagimori", serial="0123456789abcdef", manufacturer="m", model="SoftHSM v2"),
    generations=(GenerationFact(generation="sspin.B.1", state="active", current=True, usable=True),),
)
_FAILED = Failed(reason="token", message="the token is gone", hint=None, exit_code=5)
_LINES = b"369PQRST246\nABC98765XYZ\n"
WHOLE = (
    frames.pack_record(Kind.HELLO, _HELLO),
    frames.pack_record(Kind.FAILED, _FAILED),
    frames.pack_convert(1, "sspin.B.1", "sspin.E.1", 2, _LINES, b"an order"),
    frames.pack_convert(2, "resident", "common.1", 1, b"12345678901\n"),
    frames.pack_convert(12, "sspin.B.1", "sspin.E.1", 2, _LINES, b"an order", now=True),
    frames.pack_answer(3, Answer(1, 1, 0, b"369PQRST246\n!malformed_number\n", b"t" * 16)),
    frames.pack_answer(4, Answer(0, 0, 1, b"!unknown_number\n")),
    frames.pack_error(5, "pair_denied"),
    envelope.pack(Kind.PING, 6),
    envelope.pack(Kind.PONG, 6),
    singles.pack_tag(7, "common.1", b"123456789018\n"),
    singles.pack_tagged(8, Tagged(Status.OK, (b"t" * 16, b"u" * 16))),
    singles.pack_tagged(9, Tagged(Status.UNKNOWN)),
    singles.pack_sign(10, "origin\n1\nroot\n"),
    envelope.pack(Kind.SIGNED, 11, b"s" * 64),
)
_PAYLOADS = {frame.kind: frame.payload for whole in WHOLE for frame in FrameReader().feed(whole)}


@st.composite
def _streams(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """Frames one after the other, spoilt, and where they are cut on the way."""
    chosen = draw(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=5))
    data = draw(mutated((b"".join(chosen),)))
    return data, sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))


def _read_all(pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """The frames, and whether the reader gave the other side up; it never holds more than one frame can be."""
    reader, found = FrameReader(), list[Frame]()
    try:
        for piece in pieces:
            found += reader.feed(piece)
            assert reader.pending < envelope.HEADER.size + envelope.MAX_PAYLOAD
    except FrameError:
        return found, False
    return found, True


def _stream(asked: tuple[bytes, list[int]]) -> bool:
    data, cuts = asked
    edges = [0, *cuts, len(data)]
    found, whole = _read_all([data])
    in_pieces = _read_all([data[begin:end] for begin, end in itertools.pairwise(edges)])
    assert in_pieces == (found, whole), "where bytes are cut on the way changes what they say"
    packed = b"".join(envelope.pack(frame.kind, frame.request, frame.payload) for frame in found)
    assert data.startswith(packed), "frames are other bytes than arrived"
    return whole


def _payload(kind: Kind, read: Callable[[Frame], Any], pack: Callable[[Any], bytes]) -> Target:
    def probe(payload: bytes) -> bool:
        return parsed(payload, lambda data: read(Frame(kind, 7, data)), FrameError, lambda value: pack(value)[16:])

    return Target(f"frame {kind.name}", lambda: any_bytes((_PAYLOADS[kind],)), probe)


def _answers(asked: tuple[bytes, int]) -> bool:
    payload, count = asked
    return parsed(
        payload,
        lambda data: frames.read_answer(Frame(Kind.ANSWER, 1, data), count),
        FrameError,
        lambda answer: frames.pack_answer(1, answer)[16:],
    )


def _records(asked: tuple[Kind, type[Any], bytes]) -> bool:
    kind, record, payload = asked
    accepted = parsed(payload, lambda data: frames.read_record(Frame(kind, 0, data), record), FrameError)
    if accepted:
        value = frames.read_record(Frame(kind, 0, payload), record)
        assert frames.read_record(Frame(kind, 0, msgspec.json.encode(value)), record) == value
    return accepted


def _record_inputs() -> st.SearchStrategy[Any]:
    hello, failed = msgspec.json.encode(_HELLO), msgspec.json.encode(_FAILED)
    one = st.tuples(st.just(Kind.HELLO), st.just(Hello), any_bytes((hello,)) | changed_json((hello,)))
    other = st.tuples(st.just(Kind.FAILED), st.just(Failed), any_bytes((failed,)) | changed_json((failed,)))
    return one | other


def _errors(asked: tuple[bytes, Kind]) -> bool:
    payload, question = asked
    read = lambda data: frames.read_error(Frame(Kind.ERROR, 1, data), question)  # noqa: E731
    return parsed(payload, read, FrameError, lambda code: code.encode("ascii"))


TARGETS = (
    Target("frames on a stream", _streams, _stream),
    _payload(
        Kind.CONVERT,
        frames.read_convert,
        lambda c: frames.pack_convert(7, c.source, c.target, c.count, c.lines, c.order),
    ),
    Target(
        "frame ANSWER",
        lambda: st.tuples(any_bytes((_PAYLOADS[Kind.ANSWER], WHOLE[5][16:])), st.integers(0, 3)),
        _answers,
    ),
    _payload(
        Kind.CONVERT_NOW,
        frames.read_convert,
        lambda c: frames.pack_convert(7, c.source, c.target, c.count, c.lines, c.order, now=True),
    ),
    _payload(Kind.TAG, singles.read_tag, lambda tag: singles.pack_tag(7, tag.source, tag.line)),
    _payload(Kind.TAGGED, singles.read_tagged, lambda tagged: singles.pack_tagged(7, tagged)),
    _payload(Kind.SIGN, singles.read_sign, lambda text: singles.pack_sign(7, text)),
    _payload(Kind.SIGNED, singles.read_signed, lambda signature: envelope.pack(Kind.SIGNED, 7, signature)),
    Target("frames HELLO and FAILED", _record_inputs, _records),
    Target(
        "frame ERROR",
        lambda: st.tuples(
            any_bytes((b"pair_denied", b"order_invalid")),
            st.sampled_from([*Kind, Kind.CONVERT, Kind.CONVERT_NOW, Kind.TAG]),
        ),
        _errors,
    ),
)
