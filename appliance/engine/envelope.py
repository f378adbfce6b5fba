"""The frames that daemon and engine exchange over their socket pair: how one is told from the next.

A frame is a header of 16 bytes and a payload. All integers are unsigned and big-endian.

    offset  bytes  field
    0       2      magic, ``KF``
    2       1      version, 3
    3       1      kind (see `Kind`)
    4       8      request id: chosen by the daemon, repeated in the answer; 0 in HELLO and FAILED
    12      4      length of the payload

    kind       payload
    HELLO      JSON of `frames.Hello`: the engine serves; what it verified
    FAILED     JSON of `frames.Failed`: the engine's last words before it exits
    CONVERT    lengths of both names (1 byte each), count (4 bytes), length of the order (2 bytes), source name,
               target name, disclosure order (CMS in DER, or nothing), lines
    CONVERT_NOW as CONVERT, of 1,024 lines at most: somebody waits for the answer (see `NOW`)
    ANSWER     counts of converted, malformed, unknown, bytes of tags (4 bytes each), tags, lines
    TAG        length of the name (1 byte), source name, one line
    TAGGED     status (1 byte), tags: one for each readable generation of the tag key, newest first
    SIGN       the text of a checkpoint, UTF-8
    SIGNED     an Ed25519 signature, 64 bytes
    SELF_TEST  nothing: known numbers are to be converted and compared inside the engine
    TESTED     nothing: all came out as they must (an engine in which one does not, ends)
    ERROR      a code in ASCII: the frame as a whole was refused
    PING, PONG nothing

*Lines* are text: one number a line, each line ended by a newline, and in an answer ``!code`` for
a number that failed. The same form serves a single number and a bulk stream. A *tag* is the 16 bytes that
stand for one person in the log's index; an answer has one for each converted number, in their order. Payloads
are read in `appliance.engine.frames` and `appliance.engine.singles`. No socket, clock or process is known here;
bytes from the other side are parsed as if that side were hostile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import ClassVar, NamedTuple

from appliance.errors import KagimoriError

MAGIC = b"KF"
VERSION = 3
HEADER = struct.Struct("!2sBBQI")
MAX_PAYLOAD = 35 << 16  # an ANSWER of 8,192 longest lines, each with its tag, is the largest


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
    TAG = 8
    TAGGED = 9
    SIGN = 10
    SIGNED = 11
    SELF_TEST = 12
    TESTED = 13
    CONVERT_NOW = 14


NOW = frozenset({Kind.CONVERT_NOW, Kind.TAG, Kind.PING})
"""Questions that are answered before all others, and in the middle of a CONVERT; in their order among themselves."""


class Frame(NamedTuple):
    """One frame as read."""

    kind: Kind
    request: int
    payload: bytes


def pack(kind: Kind, request: int, *payload: bytes) -> bytes:
    """A whole frame. ``payload`` may come in parts, which are copied once."""
    size = sum(map(len, payload))
    if size > MAX_PAYLOAD:
        raise FrameError(f"frame: {size} bytes of payload; at most {MAX_PAYLOAD}")
    return b"".join((HEADER.pack(MAGIC, VERSION, kind, request, size), *payload))


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
