"""Frames about one thing: the tags of one number (TAG, TAGGED), a signature under one checkpoint (SIGN, SIGNED)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from appliance.engine.envelope import Frame, FrameError, Kind, pack
from appliance.engine.frames import MAX_LINE_BYTES, TAG_BYTES, check_lines, payload_of, read_name

MAX_CHECKPOINT_BYTES = 512
SIGNATURE_BYTES = 64


class Status(IntEnum):
    """What became of the one number of a TAG frame."""

    OK = 0
    MALFORMED = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Tag:
    """One number whose tags are wanted: ``line`` ends with its newline."""

    source: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tags of one number, newest generation of the tag key first; none unless ``status`` is OK."""

    status: Status
    tags: tuple[bytes, ...] = ()


def pack_tag(request: int, source: str, line: bytes) -> bytes:
    """A TAG frame. ``line`` ends with a newline."""
    name = source.encode("ascii")
    return pack(Kind.TAG, request, bytes([len(name)]) + name + line)


def pack_tagged(request: int, tagged: Tagged) -> bytes:
    """A TAGGED frame."""
    return pack(Kind.TAGGED, request, bytes([tagged.status]) + b"".join(tagged.tags))


def pack_sign(request: int, text: str) -> bytes:
    """A SIGN frame."""
    return pack(Kind.SIGN, request, text.encode("utf-8"))


def read_tag(frame: Frame) -> Tag:
    """The payload of a TAG frame.

    Raises:
        FrameError: a name that is empty, too long or not ASCII, or other than one line.
    """
    payload = frame.payload
    start = 1 + payload[0] if payload else 0
    if not payload or start > len(payload):
        raise FrameError("frame TAG: shorter than its head and its name")
    line = payload[start:]
    if len(line) > MAX_LINE_BYTES + 1:
        raise FrameError("frame TAG: a line that is too long")
    check_lines("TAG", line, 1)
    return Tag(read_name("TAG", payload[1:start]), line)


def read_tagged(frame: Frame) -> Tagged:
    """The payload of a TAGGED frame.

    Raises:
        FrameError: another frame, an unknown status, or tags that are cut, missing, or there without need.
    """
    payload = payload_of(frame, Kind.TAGGED)
    try:
        status = Status(payload[0])
    except (IndexError, ValueError):
        raise FrameError("frame TAGGED: no status, or an unknown one") from None
    if len(payload) % TAG_BYTES != 1 or (len(payload) > 1) != (status is Status.OK):
        raise FrameError("frame TAGGED: other tags than its status asks for")
    return Tagged(status, tuple(payload[start : start + TAG_BYTES] for start in range(1, len(payload), TAG_BYTES)))


def read_sign(frame: Frame) -> str:
    """The payload of a SIGN frame: some text; whether it is a checkpoint is not looked at here.

    Raises:
        FrameError: nothing, more than `MAX_CHECKPOINT_BYTES`, or not UTF-8.
    """
    if not 0 < len(frame.payload) <= MAX_CHECKPOINT_BYTES:
        raise FrameError(f"frame SIGN: {len(frame.payload)} bytes; 1 to {MAX_CHECKPOINT_BYTES} are allowed")
    try:
        return frame.payload.decode("utf-8")
    except UnicodeDecodeError:
        raise FrameError("frame SIGN: not UTF-8") from None


def read_signed(frame: Frame) -> bytes:
    """The payload of a SIGNED frame.

    Raises:
        FrameError: another frame, or not 64 bytes.
    """
    signature = payload_of(frame, Kind.SIGNED)
    if len(signature) != SIGNATURE_BYTES:
        raise FrameError(f"frame SIGNED: {len(signature)} bytes; a signature has {SIGNATURE_BYTES}")
    return signature
