"""A run: the tags of consecutive records in one file that never changes, bucket after bucket.

    header   magic (16 bytes) | first record | last record (u64 each) | CRC-32 of all before and the table
    table    for each of the 4,096 buckets: how many entries (u64); then for each: their sum modulo 2**64 (u64)
    entries  u64 each (`appliance.audit.tagindex.entries`), everything little-endian

The table is held in memory (64 KiB a run), so a look-up costs one read a run: of 1 KiB to some KiB, and the sum says
whether they are what was written. Files are read with ``pread``, never mapped: a bad sector is then an error, not the
end of the process. A file has its name only once it is whole and on the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from appliance.audit.tagindex.background import PIECE_BYTES, pause
from appliance.audit.tagindex.entries import BUCKETS, Array, Window, bucket, bucket_sums, clip, newest
from appliance.durable import sync_folder

MAGIC = b"kagimori/tags/v1"
UNFINISHED = ".new"
_HEADER = struct.Struct("<16sQQI")
_ENTRY = 8
_BODY = _HEADER.size + 2 * _ENTRY * BUCKETS
_PIECE = 1 << 15  # entries read at once, so that a bucket of any length takes little memory
_FORGOTTEN_BYTES = 1 << 18
_SYNC_BYTES = 1 << 19  # written by and by: the log's own syncs wait for what is being synced when they come
_NAME = re.compile(r"([0-9]{13})-([0-9]{13})\.run\Z")


class RunDamaged(Exception):
    """A run's file is not what was written; the text says what is wrong with it. ``run`` is None while it is opened."""

    def __init__(self, reason: str, run: Run | None = None) -> None:
        super().__init__(reason)
        self.run = run


class Span(NamedTuple):
    """The records that a run is about, from ``first`` to ``last``."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """The name of such a run's file."""
        return f"{self.first:013d}-{self.last:013d}.run"

    @classmethod
    def of(cls, path: Path) -> Span | None:
        """What a file's name says, None if it is no run's name."""
        match = _NAME.match(path.name)
        return cls(int(match[1]), int(match[2])) if match else None


class Run:
    """One file, open for reading; closed when nobody holds it any more. Any thread may read."""

    def __init__(self, path: Path, descriptor: int, span: Span, counts: Array, sums: Array) -> None:
        self.path = path
        self.span = span
        self.counts = counts
        self.sums = sums
        self.starts: list[int] = [0, *np.cumsum(counts).tolist()]
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def first(self) -> int:
        """Number of its first record."""
        return self.span.first

    @property
    def last(self) -> int:
        """Number of its last record."""
        return self.span.last

    @property
    def tags(self) -> int:
        """How many entries it has."""
        return self.starts[-1]

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a run. Its head and length are checked now, a bucket's entries when they are read.

        Raises:
            RunDamaged: it is not what was written.
            OSError: it cannot be read.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            span, counts, sums = _head(os.pread(descriptor, _BODY, 0))
            if span != Span.of(path) or os.fstat(descriptor).st_size != _BODY + _ENTRY * int(counts.sum()):
                raise RunDamaged("its name or its length does not fit what it says of itself")
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, span, counts, sums)

    def pieces(self, number: int) -> Iterator[Array]:
        """A bucket's entries, in pieces small enough to be read at once; checked once the last one was given.

        Raises:
            RunDamaged: they cannot be read, or are not what was written.
        """
        total, end = 0, self.starts[number + 1]
        for at in range(self.starts[number], end, _PIECE):
            entries = self._read(at, min(at + _PIECE, end))
            total += int(np.add.reduce(entries))
            yield entries
        if total % 2**64 != self.sums[number]:
            raise RunDamaged(f"bucket {number} is not what was written", self)

    def buckets(self, begin: int, end: int) -> Array:
        """All entries of the buckets ``begin`` up to, not including, ``end``, checked.

        Raises:
            RunDamaged: they cannot be read, or are not what was written.
        """
        entries = self._read(self.starts[begin], self.starts[end])
        wrong = np.flatnonzero(bucket_sums(entries, self.counts[begin:end]) != self.sums[begin:end])
        if len(wrong):
            raise RunDamaged(f"bucket {begin + wrong[0]} is not what was written", self)
        return entries

    def find(self, wanted: int, window: Window, limit: int) -> Array:
        """The newest ``limit`` records in the window with the key, ascending.

        Raises:
            RunDamaged: the bucket cannot be read, or is not what was written.
        """
        found = np.empty(0, np.uint64)
        for entries in self.pieces(bucket(wanted)):
            if len(more := newest(entries, wanted, window, limit)):
                found = clip(np.concatenate([found, more]), window, limit)
        return found

    def remove(self) -> None:
        """Remove the file; whoever reads it reads on. If the system refuses, it is removed at the next start.

        What memory holds of it is given back first, piece by piece: all at once it would take milliseconds.
        """
        with contextlib.suppress(OSError):
            for start in range(0, os.fstat(self._descriptor).st_size, _FORGOTTEN_BYTES):
                os.posix_fadvise(self._descriptor, start, _FORGOTTEN_BYTES, os.POSIX_FADV_DONTNEED)
                pause()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _read(self, begin: int, end: int) -> Array:
        try:
            data = os.pread(self._descriptor, _ENTRY * (end - begin), _BODY + _ENTRY * begin)
        except OSError as error:
            raise RunDamaged(f"it cannot be read: {error.strerror}", self) from None
        if len(data) != _ENTRY * (end - begin):
            raise RunDamaged("it is shorter than it was", self)
        return np.frombuffer(data, "<u8")


def _head(data: bytes) -> tuple[Span, Array, Array]:
    if len(data) < _BODY:
        raise RunDamaged("it is too short")
    magic, first, last, check = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise RunDamaged("it is no run of this version")
    if check != _check(data[: _HEADER.size - 4], data[_HEADER.size :]):
        raise RunDamaged("its head is not what was written")
    counts, sums = np.frombuffer(data, "<u8", 2 * BUCKETS, _HEADER.size).reshape(2, BUCKETS)
    return Span(first, last), counts, sums


def _check(fields: bytes, table: bytes) -> int:
    return zlib.crc32(table, zlib.crc32(fields))


class RunWriter:
    """Writes one run: entries in order, then the head. Nothing bears the run's name before `finish`."""

    def __init__(self, folder: Path, span: Span) -> None:
        """Begin.

        Raises:
            OSError: the system refuses.
        """
        self._span = span
        self._path = folder / span.name
        self._unfinished = folder / (span.name + UNFINISHED)
        self._unfinished.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._unfinished, flags, 0o640)
        self._end = _BODY
        self._synced = _BODY

    def write(self, entries: Array) -> None:
        """Write the next entries.

        Raises:
            OSError: the system refuses.
        """
        data = np.ascontiguousarray(entries, "<u8").view(np.uint8).data
        for start in range(0, len(data), _SYNC_BYTES):
            piece = data[start : start + _SYNC_BYTES]
            self._put(piece, self._end)
            self._end += len(piece)
            if self._end - self._synced >= _SYNC_BYTES:
                os.fdatasync(self._descriptor)
                self._synced = self._end

    def finish(self, counts: Array, sums: Array) -> Run:
        """Write the head, make everything durable, give the file its name.

        Raises:
            OSError: the system refuses.
        """
        table = np.concatenate([counts, sums]).astype("<u8").tobytes()
        fields = _HEADER.pack(MAGIC, *self._span, 0)[:-4]
        self._put(memoryview(fields + _check(fields, table).to_bytes(4, "little") + table), 0)
        os.fsync(self._descriptor)
        self._unfinished.rename(self._path)
        sync_folder(self._path.parent)
        descriptor, self._descriptor = self._descriptor, -1
        return Run(self._path, descriptor, self._span, counts, sums)

    def abandon(self) -> None:
        """Remove what there is of it; after `finish` nothing is done."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._unfinished.unlink(missing_ok=True)

    def _put(self, view: memoryview, offset: int) -> None:
        while view:
            written = os.pwrite(self._descriptor, view[:PIECE_BYTES], offset)
            pause()
            view, offset = view[written:], offset + written
