"""The hashes of the tree: flat files, one for each level of tiles, and the tree's right edge in memory.

``level.l`` holds, for n = 0, 1, …, the hash of the leaves [n * 256**l, (n + 1) * 256**l), 32 bytes each: a tile of
C2SP tlog-tiles is a slice of it. The files are derived from the entries, so they are written without a sync; the
root that is signed comes from memory, so that nobody who writes to the files while the daemon runs moves it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from appliance.audit.errors import AuditDamaged, AuditUnavailable, AuditUnusable, RecordMissing
from appliance.audit.smallfiles import open_regular
from appliance.tlog import merkle
from appliance.tlog.merkle import HASH_BYTES
from appliance.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

MOST_LEVELS = 8  # 2**64 records

_CACHED = 4_096  # hashes of whole subtrees above the leaves' tiles, which the proofs of many records share


class Head(NamedTuple):
    """A log's size in records, and its root."""

    size: int
    root: bytes


class Levels:
    """The hash files of one log. One thread extends; any thread reads. ``size``: the leaves that can be read.

    Raises:
        AuditUnusable: the system refuses, or a file is no regular file.
    """

    def __init__(self, directory: Path) -> None:
        self.size = self._leaves = 0
        self._directory = directory
        self._descriptors: dict[int, int] = {}
        self._edge: list[list[bytes]] = []  # of each level, the hashes that make no whole tile yet
        self._unwritten: list[tuple[int, int, bytes]] = []  # level, index, hashes
        self._lock = threading.Lock()
        self._high = lru_cache(_CACHED)(self._read_subtree)
        try:
            for level in range(MOST_LEVELS):
                if os.path.lexists(self.path(level)):
                    self._descriptor(level)
        except BaseException:
            self.close()
            raise

    def path(self, level: int) -> Path:
        """Where a level's hashes are."""
        return self._directory / f"level.{level}"

    def _descriptor(self, level: int) -> int:
        if level not in self._descriptors:
            try:
                self._descriptors[level] = open_regular(self.path(level), os.O_RDWR | os.O_CREAT)
            except OSError as error:
                raise AuditUnusable(f"audit log {self.path(level)}: {error.strerror}") from None
        return self._descriptors[level]

    def stored(self, level: int) -> int:
        """How many hashes a level's file has room for, now."""
        return os.fstat(self._descriptors[level]).st_size // HASH_BYTES if level in self._descriptors else 0

    def peek(self, level: int, index: int, count: int) -> bytes:
        """Hashes as they are in the file, fewer where it ends; half a hash is none.

        Raises:
            AuditUnusable: the system refuses.
        """
        if level not in self._descriptors:
            return b""
        try:
            data = os.pread(self._descriptors[level], count * HASH_BYTES, index * HASH_BYTES)
        except OSError as error:
            raise AuditUnusable(f"audit log {self.path(level)}: {error.strerror} at hash {index}") from None
        return data[: len(data) // HASH_BYTES * HASH_BYTES]

    def read(self, level: int, index: int, count: int) -> bytes:
        """Exactly ``count`` hashes; 32 bytes each.

        Raises:
            AuditUnusable: the system refuses.
            AuditUnavailable: they could not be written yet.
            AuditDamaged: the file ends before.
        """
        data = self.peek(level, index, count)
        if len(data) != count * HASH_BYTES:
            if self._unwritten:
                raise AuditUnavailable("the newest hashes of the audit log could not be written yet")
            raise AuditDamaged(f"audit log {self.path(level)}: ends before hash {index + count}")
        return data

    def put(self, level: int, index: int, data: bytes) -> None:
        """Write hashes.

        Raises:
            OSError: they are not all written.
        """
        written = os.pwrite(self._descriptor(level), data, index * HASH_BYTES)
        if written != len(data):
            os.pwrite(self._descriptor(level), data[written:], index * HASH_BYTES + written)

    def truncate(self, level: int, count: int) -> None:
        """Cut a level's file down to ``count`` hashes.

        Raises:
            OSError: the system refuses.
        """
        if level in self._descriptors:
            os.ftruncate(self._descriptors[level], count * HASH_BYTES)

    def load(self, size: int) -> None:
        """Take the first ``size`` leaves as the tree, its right edge from the files."""
        self._edge = []
        for level in range(MOST_LEVELS):
            hashes = size >> TILE_HEIGHT * level
            first = hashes & -TILE_WIDTH
            self._edge.append(split(self.read(level, first, hashes - first)))
        self.size = self._leaves = size

    def extend(self, leaves: list[bytes]) -> None:
        """Add leaves, given their hashes. What cannot be written now is written before the next ones: see `settle`."""
        with self._lock, suppress(OSError):
            self._push(0, leaves, self._leaves)
            self._leaves += len(leaves)
            self.settle()
        self.size = self._leaves

    def _push(self, level: int, hashes: list[bytes], index: int) -> None:
        self._unwritten.append((level, index, b"".join(hashes)))
        edge = self._edge[level]
        edge.extend(hashes)
        whole = len(edge) & -TILE_WIDTH
        if whole:
            roots = edge[:whole]
            for _ in range(TILE_HEIGHT):
                roots = merkle.parents(roots)
            del edge[:whole]
            self._push(level + 1, roots, index // TILE_WIDTH)

    def settle(self) -> None:
        """Write what could not be written before.

        Raises:
            OSError: it still cannot; nothing may be added meanwhile.
        """
        while self._unwritten:
            self.put(*self._unwritten[0])
            del self._unwritten[0]

    def sync(self) -> None:
        """Make the files durable.

        Raises:
            OSError: they are not.
        """
        self.settle()
        for descriptor in tuple(self._descriptors.values()):
            os.fsync(descriptor)

    def head(self) -> Head:
        """Size and root of the tree as it is now, from memory."""
        with self._lock:
            return Head(self._leaves, merkle.root(self._leaves, self._edge_subtree))

    def _edge_subtree(self, height: int, index: int) -> bytes:
        """The hash of a subtree that the size consists of: it lies in the edge of its level."""
        level, rest = divmod(height, TILE_HEIGHT)
        start = (index << rest) % TILE_WIDTH
        return above(self._edge[level][start : start + (1 << rest)])

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves, from the files.

        Raises:
            RecordMissing: there are not that many.
        """
        self._require(size)
        return merkle.root(size, self.subtree)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion proof of leaf ``index`` in the first ``size`` leaves (RFC 6962 section 2.1.1).

        Raises:
            RecordMissing: there are not that many.
        """
        self._require(size)
        return merkle.inclusion_proof(index, size, self.subtree)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency proof between two sizes (RFC 6962 section 2.1.2).

        Raises:
            RecordMissing: there are not that many leaves.
        """
        self._require(new)
        return merkle.consistency_proof(old, new, self.subtree)

    def _require(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise RecordMissing(f"the audit log has {self.size} records; there is no tree of {size} of them")

    def subtree(self, height: int, index: int) -> bytes:
        """The hash of the leaves [index << height, (index + 1) << height), all of them there."""
        return self._high(height, index) if height >= TILE_HEIGHT else self._read_subtree(height, index)

    def _read_subtree(self, height: int, index: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        return above(split(self.read(level, index << rest, 1 << rest)))

    def close(self) -> None:
        """Give the files up."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


def split(data: bytes) -> list[bytes]:
    """The hashes one after the other."""
    return [data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)]


def above(hashes: Sequence[bytes]) -> bytes:
    """The root of a power of two of neighbouring hashes."""
    while len(hashes) > 1:
        hashes = merkle.parents(hashes)
    return hashes[0]
