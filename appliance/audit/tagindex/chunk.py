"""The newest tags, in memory: of consecutive records, in the order they came, until they are written as a run.

Adding is a copy of bytes. Looking up compares all of them, half a million at most. A chunk is filled by one thread
and never changed where it was filled, so readers need to know only how far it was filled when they looked.
"""

from __future__ import annotations

import mmap
import os
from array import array
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from appliance.audit.tagindex.background import PIECE_BYTES, pause
from appliance.audit.tagindex.entries import KEY_BYTES, TAG_BYTES, Array, Sorted, Window, clip, in_buckets

CHUNK_TAGS = 1 << 19  # 8 MiB of tags: in buckets of 2 KiB or so on average half a page each, once written
CHUNK_RECORDS = 1 << 20
_PIECE_TAGS = 1 << 15  # put in buckets in half a millisecond
_FREED_BYTES = 1 << 18

Ends = npt.NDArray[np.uint32]


class View(NamedTuple):
    """A chunk as it was at one moment: its first ``records`` records and their ``tags`` tags."""

    chunk: Chunk
    records: int
    tags: int

    @property
    def first(self) -> int:
        """Number of its first record."""
        return self.chunk.first

    def find(self, wanted: int, window: Window, limit: int) -> Array:
        """The newest ``limit`` records in the window with the key, ascending."""
        keys, ends = self.chunk.arrays(self.records, self.tags)
        at = np.searchsorted(ends, np.flatnonzero(keys == np.uint64(wanted)), side="right")
        return clip(at.astype(np.uint64) + np.uint64(self.first), window, limit)


class Chunk:
    """Tags of the records from ``first`` on; has room for ``most_tags`` of them."""

    def __init__(self, first: int, most_tags: int = CHUNK_TAGS) -> None:
        self.first = first
        self.next = first  # number of the record that it takes next
        self.tags = 0
        self._end = first + CHUNK_RECORDS
        self._most_tags = most_tags
        self._bytes = np.empty(most_tags * TAG_BYTES, np.uint8)  # memory is taken page by page, as it is filled
        self._view = self._bytes.data
        self._ends = array("I", bytes(4 * 1024))  # tags up to and with each record; grows by being replaced

    @property
    def records(self) -> int:
        """How many records it has."""
        return self.next - self.first

    def add(self, tags: bytes) -> bool:
        """Take the tags of record ``next``; False: there is no room for them.

        Raises:
            ValueError: not a multiple of 16 bytes.
        """
        begin, size = self.tags, len(tags)
        if size % TAG_BYTES:
            raise ValueError(f"subject tags have {TAG_BYTES} bytes each; {size} bytes are not a multiple")
        end = begin + size // TAG_BYTES
        if end > self._most_tags or self.next == self._end:
            return False
        self._view[begin * TAG_BYTES : end * TAG_BYTES] = tags
        self._put_end(self.next - self.first, end)
        self.tags = end
        self.next += 1
        return True

    def _put_end(self, at: int, end: int) -> None:
        if at == len(self._ends):
            self._ends = self._ends + array("I", bytes(4 * at))  # a new one: readers hold the old
        self._ends[at] = end

    def now(self) -> View:
        """It as it is now."""
        return View(self, self.records, self.tags)

    def arrays(self, records: int, tags: int) -> tuple[Array, Ends]:
        """The keys of the first ``tags`` tags, and for each of the first ``records`` records where its tags end."""
        return keys_of(self._bytes, tags), np.frombuffer(self._ends, np.uint32, records)

    def parts(self) -> list[Sorted]:
        """All entries, in the order of their records; each part in buckets."""
        return parts_of(self.first, *self.arrays(self.records, self.tags))

    def lend(self) -> tuple[int, int]:
        """Copies for another process: descriptors of memory with all tags, and with where each record's end.

        They are the caller's to `give_back`.

        Raises:
            OSError: the system gives no more memory or descriptors.
        """
        tags = _memory(self._view[: self.tags * TAG_BYTES])
        try:
            return tags, _memory(memoryview(self._ends)[: self.records].cast("B"))
        except BaseException:
            give_back(tags)
            raise


def parts_of(first: int, keys: Array, ends: Ends) -> list[Sorted]:
    """The entries of a chunk, in the order of their records; each part in buckets.

    Args:
        first: number of its first record.
        keys: of all its tags.
        ends: for each of its records, where its tags end.
    """
    parts: list[Sorted] = []
    for begin in range(0, len(keys), _PIECE_TAGS):
        piece = keys[begin : begin + _PIECE_TAGS]
        parts.append(Sorted(*in_buckets(piece, _records(first, ends, begin, begin + len(piece)))))
        pause()
    return parts


def _records(first: int, ends: Ends, begin: int, end: int) -> Array:
    """The record of each of the tags ``begin`` up to, not including, ``end``."""
    low, high = np.searchsorted(ends, [begin, end - 1], side="right").tolist()
    numbers = np.arange(first + low, first + high + 1, dtype=np.uint64)
    return np.repeat(numbers, np.diff(np.minimum(ends[low : high + 1], end), prepend=np.uint32(begin)))


def keys_of(data: npt.NDArray[np.uint8], tags: int) -> Array:
    """The keys of the first ``tags`` tags."""
    return data.view("<u8")[: tags * TAG_BYTES // KEY_BYTES : TAG_BYTES // KEY_BYTES]


def mapped(descriptor: int) -> npt.NDArray[np.uint8]:
    """All of a descriptor's memory, to be read."""
    return np.frombuffer(mmap.mmap(descriptor, 0, mmap.MAP_SHARED, mmap.PROT_READ), np.uint8)


def _memory(content: memoryview) -> int:
    """A descriptor of memory with that content (memfd_create(2)); copying does not hold the interpreter."""
    descriptor = os.memfd_create("kagimori tags", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, max(KEY_BYTES, len(content)))  # what is empty could not be mapped
        while content:
            content = content[os.write(descriptor, content[:PIECE_BYTES]) :]
            pause()
    except BaseException:
        give_back(descriptor)
        raise
    return descriptor


def give_back(descriptor: int) -> None:
    """Close memory that was lent and that nobody reads any more; all of it at once would take a millisecond."""
    try:
        for size in range(os.fstat(descriptor).st_size - _FREED_BYTES, 0, -_FREED_BYTES):
            os.ftruncate(descriptor, size)
            pause()
    finally:
        os.close(descriptor)
