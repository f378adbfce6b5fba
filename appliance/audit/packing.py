"""How an entry and its tags lie in a segment: one frame each, and how frames are found again.

A frame is ``u16 length of the entry | u32 bytes of tags | entry | tags``, numbers big-endian. A frame that is cut
off, empty or impossibly large ends the reading; what that means is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from appliance.tlog.tiles import LONGEST_ENTRY

HEADER = Struct(">HI")
MOST_TAG_BYTES = 1 << 20
CHUNK = 1 << 22  # bytes read at a time; more than the largest frame

_WINDOW = HEADER.size + LONGEST_ENTRY  # holds any entry

Read = Callable[[int, int], bytes]  # (bytes at most, offset) -> bytes


class Framed(NamedTuple):
    """An entry, where its frame starts in the segment, and how many bytes of tags follow it."""

    start: int
    entry: bytes
    tag_bytes: int

    @property
    def tags_start(self) -> int:
        """Where the tags are."""
        return self.start + HEADER.size + len(self.entry)

    @property
    def end(self) -> int:
        """Where the next frame starts."""
        return self.tags_start + self.tag_bytes


def pack(entries: Sequence[bytes], tags: Sequence[bytes]) -> list[bytes]:
    """The frames, in order."""
    header = HEADER.pack
    return [header(len(entry), len(tag)) + entry + tag for entry, tag in zip(entries, tags, strict=True)]


class Batch(NamedTuple):
    """Frames that follow each other, in columns: their entries, their tags, and where each of them ends."""

    entries: list[bytes]
    tags: list[bytes]
    ends: list[int]


def batches(read: Read, start: int, end: int, chunk: int = CHUNK) -> Iterator[Batch]:
    """The frames from ``start`` on, about ``chunk`` bytes at a time.

    Ends at ``end``, or at a frame that is none.
    """
    while start < end:
        batch = _split(read(min(chunk, end - start), start), start)
        if not batch.ends and chunk < CHUNK:
            batch = _split(read(min(CHUNK, end - start), start), start)
        if not batch.ends:
            return
        yield batch
        start = batch.ends[-1]


def _split(data: bytes, base: int) -> Batch:
    """The whole frames at the beginning of ``data``, which begins at ``base``."""
    entries, tags, ends = batch = Batch([], [], [])
    place, unpack, header, last = 0, HEADER.unpack_from, HEADER.size, len(data) - HEADER.size
    while place <= last:
        length, tag_bytes = unpack(data, place)
        middle = place + header + length
        end = middle + tag_bytes
        if end > len(data) or not length or tag_bytes > MOST_TAG_BYTES:
            break
        entries.append(data[place + header : middle])
        tags.append(data[middle:end])
        ends.append(base + end)
        place = end
    return batch


def walk(read: Read, start: int, count: int) -> Iterator[Framed]:
    """Up to ``count`` frames from ``start`` on without reading their tags; ends early at a frame that is none."""
    base, window = start, b""
    for _ in range(count):
        framed = _at(window, start - base, start)
        if framed is None:
            base, window = start, read(_WINDOW, start)
            framed = _at(window, 0, start)
        if framed is None:
            return
        yield framed
        start = framed.end


def _at(window: bytes, place: int, start: int) -> Framed | None:
    if place + HEADER.size > len(window):
        return None
    length, tags = HEADER.unpack_from(window, place)
    entry = window[place + HEADER.size : place + HEADER.size + length]
    if not entry or len(entry) != length or tags > MOST_TAG_BYTES:
        return None
    return Framed(start, entry, tags)
