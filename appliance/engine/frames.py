"""The frames that daemon and engine exchange over their socket pair: one strict binary form.

A frame is a header of 16 bytes and a payload. All integers are unsigned and big-endian.

    offset  bytes  field
    0       2      magic, ``KF``
    2       1      version, 1
    3       1      kind (see `Kind`)
    4       8      request id: chosen by the daemon, repeated in the answer; 0 in HELLO and FAILED
    12      4      length of the payload

    kind       payload
    HELLO      JSON of `Hello`: the engine serves; what it verified
    FAILED     JSON of `Failed`: the engine's last words before it exits
    CONVERT    lengths of both names (1 byte each), count (4 bytes), source name, target name, lines
    ANSWER     counts of converted, malformed, unknown (4 bytes each), lines
    ERROR      a code of `ERROR_CODES` in ASCII: the frame as a whole was refused
    PING, PONG nothing

*Lines* are text: one number a line, each line ended by a newline, and in an answer ``!code`` for
a number that failed. The same form serves a single number and a bulk stream. This module knows no
socket, clock or process; it parses bytes from the other side as if that side were hostile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

import msgspec

from appliance.errors import KagimoriError

MAGIC = b"KF"
VERSION = 1
HEADER = struct.Struct("!2sBBQI")
CONVERT_HEAD = struct.Struct("!BBI")
ANSWER_HEAD = struct.Struct("!III")
MAX_LINES = 8_192
MAX_LINE_BYTES = 256
MAX_NAME_BYTES = 64
MAX_PAYLOAD = CONVERT_HEAD.size + 2 * MAX_NAME_BYTES + MAX_LINES * (MAX_LINE_BYTES + 1)
ERROR_CODES = frozenset({"pair_denied", "unknown_generation", "generation_unusable"})

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_BYTES)]
Reason = Literal["configuration", "ledger", "pin", "keys", "token", "defect"]


class FrameError(KagimoriError):
    """The other side sent something that is no frame: it is broken or hostile, so it is given up."""

    exit_code: ClassVar[int] = 70


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    FAILED = 2
    CONVERT = 3
    ANSWER = 4
    ERROR = 5
    PING = 6
    PONG = 7


class Frame(NamedTuple):
    """One frame as read."""

    kind: Kind
    request: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Convert:
    """Numbers to convert between two names such as ``sspin.B.1`` (or ``resident``)."""

    source: str
    target: str
    count: int
    lines: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Converted numbers, in the order of the question."""

    converted: int
    malformed: int
    unknown: int
    lines: bytes


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
    """The engine has verified the ledger, logged in and checked every key; it serves from now on."""

    pid: int
    sequence: int
    head: str
    token: TokenFact
    generations: tuple[GenerationFact, ...]


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why the engine cannot serve (any more), in the words that a person is shown."""

    reason: Reason
    message: str
    hint: str | None
    exit_code: int


Record = TypeVar("Record", Hello, Failed)


def pack(kind: Kind, request: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    if len(payload) > MAX_PAYLOAD:
        raise FrameError(f"frame: {len(payload)} bytes of payload; at most {MAX_PAYLOAD}")
    return HEADER.pack(MAGIC, VERSION, kind, request, len(payload)) + payload


def pack_record(kind: Literal[Kind.HELLO, Kind.FAILED], record: Hello | Failed) -> bytes:
    """A HELLO or FAILED frame."""
    return pack(kind, 0, msgspec.json.encode(record))


def pack_convert(request: int, source: str, target: str, count: int, lines: bytes) -> bytes:
    """A CONVERT frame. ``lines``: ``count`` lines, each ended by a newline."""
    names = source.encode("ascii"), target.encode("ascii")
    head = CONVERT_HEAD.pack(len(names[0]), len(names[1]), count)
    return pack(Kind.CONVERT, request, b"".join((head, *names, lines)))


def pack_answer(request: int, answer: Answer) -> bytes:
    """An ANSWER frame."""
    head = ANSWER_HEAD.pack(answer.converted, answer.malformed, answer.unknown)
    return pack(Kind.ANSWER, request, head + answer.lines)


def read_record(frame: Frame, record: type[Record]) -> Record:
    """The payload of a HELLO or FAILED frame.

    Raises:
        FrameError: it is not that JSON.
    """
    try:
        return msgspec.json.decode(frame.payload, type=record)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise FrameError(f"frame {frame.kind.name}: {error}") from None


def read_convert(frame: Frame) -> Convert:
    """The payload of a CONVERT frame.

    Raises:
        FrameError: names too long or not ASCII, no line or too many, or a count that is not the
            number of lines (an answer would then stand beside the wrong question).
    """
    payload = frame.payload
    if len(payload) < CONVERT_HEAD.size:
        raise FrameError("frame CONVERT: shorter than its head")
    source_length, target_length, count = CONVERT_HEAD.unpack_from(payload)
    middle = CONVERT_HEAD.size + source_length
    start = middle + target_length
    if not (0 < source_length <= MAX_NAME_BYTES and 0 < target_length <= MAX_NAME_BYTES):
        raise FrameError("frame CONVERT: a name is empty or too long")
    names = payload[CONVERT_HEAD.size : middle], payload[middle:start]
    if not (names[0].isascii() and names[1].isascii()):
        raise FrameError("frame CONVERT: a name is not ASCII")
    lines = payload[start:]
    _check_lines("CONVERT", lines, count)
    return Convert(names[0].decode("ascii"), names[1].decode("ascii"), count, lines)


def read_answer(frame: Frame, count: int) -> Answer:
    """The payload of an ANSWER frame to a question of ``count`` lines.

    Raises:
        FrameError: other than ``count`` lines, or outcome counts that do not add up to it.
    """
    if len(frame.payload) < ANSWER_HEAD.size:
        raise FrameError("frame ANSWER: shorter than its head")
    converted, malformed, unknown = ANSWER_HEAD.unpack_from(frame.payload)
    lines = frame.payload[ANSWER_HEAD.size :]
    if converted + malformed + unknown != count:
        raise FrameError("frame ANSWER: its counts do not add up to the question's")
    _check_lines("ANSWER", lines, count)
    return Answer(converted, malformed, unknown, lines)


def read_error(frame: Frame) -> str:
    """The code in an ERROR frame.

    Raises:
        FrameError: not one of `ERROR_CODES`.
    """
    code = frame.payload.decode("ascii", "replace")
    if code not in ERROR_CODES:
        raise FrameError("frame ERROR: an unknown code")
    return code


def _check_lines(kind: str, lines: bytes, count: int) -> None:
    if not 0 < count <= MAX_LINES:
        raise FrameError(f"frame {kind}: {count} lines; 1 to {MAX_LINES} are allowed")
    if lines.count(b"\n") != count or not lines.endswith(b"\n"):
        raise FrameError(f"frame {kind}: the lines are not as many as it says")


class FrameReader:
    """Turns the bytes that arrive, in whatever pieces, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take in ``data`` and yield each frame that is complete.

        Raises:
            FrameError: wrong magic, version or kind, or a payload above `MAX_PAYLOAD`; it is raised
                as soon as the header is there, before any of the payload is kept.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, request, length = _read_header(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(kind, request, payload)

    @property
    def pending(self) -> int:
        """Bytes of a frame that has not arrived whole yet."""
        return len(self._buffer)


def _read_header(buffer: bytearray) -> tuple[Kind, int, int]:
    magic, version, kind, request, length = HEADER.unpack_from(buffer)
    if magic != MAGIC or version != VERSION:
        raise FrameError("frame: wrong magic or version")
    if length > MAX_PAYLOAD:
        raise FrameError(f"frame: says {length} bytes of payload; at most {MAX_PAYLOAD}")
    try:
        return Kind(kind), request, length
    except ValueError:
        raise FrameError(f"frame: unknown kind {kind}") from None
