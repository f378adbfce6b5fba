"""What the frames between daemon and engine say: of the engine itself, and about lines to be converted.

How a frame is told from the next, and the form of every payload, is in `appliance.engine.envelope`. Everything
is parsed as if the other side were hostile.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import msgspec

from appliance.engine.envelope import Frame, FrameError, Kind, pack
from appliance.numbers.newlines import count_lines

CONVERT_HEAD = struct.Struct("!BBIH")
ANSWER_HEAD = struct.Struct("!IIII")
MAX_LINES = 8_192
MAX_LINES_NOW = 1_024
MAX_LINE_BYTES = 256
MAX_NAME_BYTES = 64
MAX_ORDER_BYTES = 65_535
TAG_BYTES = 16
CHECKPOINT_REFUSED = "checkpoint_refused"
_TAG_CODES = frozenset({"pair_denied", "unknown_generation", "generation_unusable"})
_ORDER_CODES = frozenset({"order_required", "order_invalid", "order_expired", "order_exhausted", "order_mismatch"})
ERROR_CODES = _TAG_CODES | _ORDER_CODES  # those of a conversion; all of them are problem codes, too
_CODES_BY_QUESTION = {
    Kind.CONVERT: ERROR_CODES,
    Kind.CONVERT_NOW: ERROR_CODES,
    Kind.TAG: _TAG_CODES,
    Kind.SIGN: frozenset({CHECKPOINT_REFUSED}),
}


class Refused(Exception):
    """A question is refused as a whole, with a code that an ERROR frame may carry."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_BYTES)]
Reason = Literal["configuration", "ledger", "pin", "keys", "token", "defect"]


@dataclass(frozen=True, slots=True)
class Convert:
    """Numbers to convert between two names such as ``sspin.B.1`` (or ``resident``); ``order``: DER, or empty."""

    source: str
    target: str
    count: int
    lines: bytes
    order: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """Converted numbers, in the order of the question; ``tags``: 16 bytes for each converted one."""

    converted: int
    malformed: int
    unknown: int
    lines: bytes
    tags: bytes = b""


class GenerationFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key generation as the engine has it. ``usable``: its key is open and its check value was right."""

    generation: Name
    state: str
    current: bool
    usable: bool


class TokenFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The token as it named itself."""

    label: str
    serial: str
    manufacturer: str
    model: str


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The engine has verified the ledger, logged in and checked every key; it serves from now on.

    ``signs``: its token has the key that signs the log's checkpoints.
    """

    pid: int
    sequence: int
    head: str
    signs: bool
    token: TokenFact
    generations: tuple[GenerationFact, ...]


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why the engine cannot serve (any more), in the words that a person is shown."""

    reason: Reason
    message: str
    hint: str | None
    exit_code: int


Record = TypeVar("Record", Hello, Failed)


def pack_record(kind: Literal[Kind.HELLO, Kind.FAILED], record: Hello | Failed) -> bytes:
    """A HELLO or FAILED frame."""
    return pack(kind, 0, msgspec.json.encode(record))


def pack_convert(
    request: int, source: str, target: str, count: int, lines: bytes, order: bytes = b"", *, now: bool = False
) -> bytes:
    """A CONVERT or, for ``now``, CONVERT_NOW frame.

    ``lines``: ``count`` lines, each ended by a newline; ``order``: at most `MAX_ORDER_BYTES`.
    """
    names = source.encode("ascii"), target.encode("ascii")
    head = CONVERT_HEAD.pack(len(names[0]), len(names[1]), count, len(order))
    return pack(Kind.CONVERT_NOW if now else Kind.CONVERT, request, head, *names, order, lines)


def pack_answer(request: int, answer: Answer) -> bytes:
    """An ANSWER frame."""
    head = ANSWER_HEAD.pack(answer.converted, answer.malformed, answer.unknown, len(answer.tags))
    return pack(Kind.ANSWER, request, head, answer.tags, answer.lines)


def pack_error(request: int, code: str) -> bytes:
    """An ERROR frame."""
    return pack(Kind.ERROR, request, code.encode("ascii"))


def read_record(frame: Frame, record: type[Record]) -> Record:
    """The payload of a HELLO or FAILED frame.

    Raises:
        FrameError: it is not that JSON.
    """
    try:
        return msgspec.json.decode(frame.payload, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"frame {frame.kind.name}: {error}") from None


def read_convert(frame: Frame) -> Convert:
    """The payload of a CONVERT or CONVERT_NOW frame.

    Raises:
        FrameError: names too long or not ASCII, no line or too many, or a count that is not the
            number of lines (an answer would then stand beside the wrong question).
    """
    payload, kind = frame.payload, frame.kind.name
    if len(payload) < CONVERT_HEAD.size:
        raise FrameError(f"frame {kind}: shorter than its head")
    source_length, target_length, count, order_length = CONVERT_HEAD.unpack_from(payload)
    middle = CONVERT_HEAD.size + source_length
    end = middle + target_length
    start = end + order_length
    if start > len(payload):
        raise FrameError(f"frame {kind}: shorter than its names and its order")
    source = read_name(kind, payload[CONVERT_HEAD.size : middle])
    target = read_name(kind, payload[middle:end])
    lines = payload[start:]
    check_lines(kind, lines, count, MAX_LINES_NOW if frame.kind is Kind.CONVERT_NOW else MAX_LINES)
    return Convert(source, target, count, lines, payload[end:start])


def read_answer(frame: Frame, count: int) -> Answer:
    """The payload of an ANSWER frame to a question of ``count`` lines.

    Raises:
        FrameError: another frame, other than ``count`` lines, outcome counts that do not add up to it or are not
            those of the lines, or not one tag for each converted number (a tag would stand beside another person).
    """
    payload = payload_of(frame, Kind.ANSWER)
    if len(payload) < ANSWER_HEAD.size:
        raise FrameError("frame ANSWER: shorter than its head")
    converted, malformed, unknown, tag_bytes = ANSWER_HEAD.unpack_from(payload)
    start = ANSWER_HEAD.size + tag_bytes
    tags, lines = payload[ANSWER_HEAD.size : start], payload[start:]
    if converted + malformed + unknown != count:
        raise FrameError("frame ANSWER: its counts do not add up to the question's")
    if tag_bytes != TAG_BYTES * converted:
        raise FrameError("frame ANSWER: not one tag for each converted number")
    check_lines("ANSWER", lines, count)
    if _failed_lines(lines) != malformed + unknown:
        raise FrameError("frame ANSWER: its counts are not those of its lines")
    return Answer(converted, malformed, unknown, lines, tags)


def _failed_lines(lines: bytes) -> int:
    return lines.count(b"\n!") + lines.startswith(b"!") if b"!" in lines else 0  # the count takes 30 times as long


def read_error(frame: Frame, question: Kind) -> str:
    """The code in an ERROR frame that answers a question of this kind.

    Raises:
        FrameError: not one that such a question can be refused with.
    """
    code = frame.payload.decode("ascii", "replace")
    if code not in _CODES_BY_QUESTION.get(question, ()):
        raise FrameError("frame ERROR: an unknown code")
    return code


def payload_of(frame: Frame, kind: Kind) -> bytes:
    """The payload of a frame that must be of this kind.

    Raises:
        FrameError: it is another kind.
    """
    if frame.kind is not kind:
        raise FrameError(f"frame {frame.kind.name}: not the answer to that question")
    return frame.payload


def read_name(kind: str, name: bytes) -> str:
    """The name of a domain or generation in a frame.

    Raises:
        FrameError: empty, longer than `MAX_NAME_BYTES`, or not ASCII.
    """
    if not 0 < len(name) <= MAX_NAME_BYTES:
        raise FrameError(f"frame {kind}: a name is empty or too long")
    if not name.isascii():
        raise FrameError(f"frame {kind}: a name is not ASCII")
    return name.decode("ascii")


def check_lines(kind: str, lines: bytes, count: int, most: int = MAX_LINES) -> None:
    """Exactly ``count`` lines, each ended by a newline; 1 to ``most``.

    Raises:
        FrameError: they are not.
    """
    if not 0 < count <= most:
        raise FrameError(f"frame {kind}: {count} lines; 1 to {most} are allowed")
    if count_lines(lines) != count or not lines.endswith(b"\n"):
        raise FrameError(f"frame {kind}: the lines are not as many as it says")
