"""What can be read from the log: records, tiles, roots and proofs, from any thread, while one thread appends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from appliance.audit import retention
from appliance.audit.errors import AuditDamaged, RecordMissing, RecordPruned, TileMissing
from appliance.audit.folder import make_folders
from appliance.audit.levels import Head, Levels
from appliance.audit.marks import Marks
from appliance.audit.offsets import Offsets
from appliance.audit.reading import Reader
from appliance.audit.segments import Segments
from appliance.tlog.errors import TileInvalid
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, tile_of


class ReadableLog:
    """The reading half of `appliance.audit.log.AuditLog`.

    ``size``: records that are durable. ``first``: number of the oldest that is not pruned. The parts: ``segments``,
    ``levels``, ``offsets``; ``marks``; ``unread``: the segments that the start did not read.

    Raises:
        AuditUnusable: the system refuses.
    """

    def __init__(self, directory: Path, segment_records: int, files: ExitStack) -> None:
        self.directory = directory
        self.size = 0
        self.first = 1
        self.segments = Segments(directory, segment_records)
        self.offsets = Offsets(directory)
        make_folders(self.segments.folder, self.offsets.folder)
        self.levels = Levels(directory)
        files.callback(self.levels.close)
        files.callback(self.offsets.close)
        self._reader = Reader(self.segments, self.levels, self.offsets)
        self.marks = Marks()
        self.unread = range(0)

    def head(self) -> Head:
        """Size and root as they are now. They come from memory, not from files that anybody could have changed."""
        return self.levels.head()

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` records, of all if None.

        Raises:
            RecordMissing: there are not that many.
        """
        head = self.head()
        return head.root if size in (None, head.size) else self.levels.root(size)

    def inclusion(self, record: int, size: int) -> tuple[bytes, ...]:
        """The proof that a record is among the first ``size`` ones (pruned records have one, too).

        Raises:
            RecordMissing: there are not that many, or the record is not among them.
        """
        if not 1 <= record <= size:
            raise RecordMissing(f"record {record} is not among the first {size} of the audit log")
        return self.levels.inclusion(record - 1, size)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the first ``new`` records begin with the first ``old`` ones.

        Raises:
            RecordMissing: there are not that many.
        """
        if not 0 <= old <= new:
            raise RecordMissing(f"the first {new} records of the audit log do not begin with {old} records")
        return self.levels.consistency(old, new)

    def entry(self, record: int) -> bytes:
        """A record's bytes, held against its hash.

        Raises:
            RecordMissing, RecordPruned: it is not there.
            AuditDamaged: it is not what was hashed.
        """
        with self._there(record):
            return self._reader.entry(record)

    def tags(self, record: int) -> bytes:
        """The subject tags beside a record, 16 bytes each, held against their digest in the record.

        Raises:
            RecordMissing, RecordPruned: it is not there.
            AuditDamaged: they are not what the record says.
        """
        with self._there(record):
            return self._reader.tags(record)

    def tile(self, tile: Tile) -> bytes:
        """A tile of hashes, or an entry bundle, as served (C2SP tlog-tiles).

        Raises:
            TileMissing: the log has not grown that far.
            RecordPruned: the entries of that bundle are gone.
            AuditDamaged: an entry is not what was hashed.
        """
        try:
            grown = tile_of(tile.level, tile.index, self.size).width
        except TileInvalid:
            grown = 0
        if tile.width > grown:
            raise TileMissing(f"the audit log has no {tile.path}: it has {self.size} records")
        if tile.level != ENTRIES:
            return self.levels.read(tile.level, tile.index * TILE_WIDTH, tile.width)
        with self._there(tile.index * TILE_WIDTH + 1):
            return self._reader.bundle(tile)

    @contextmanager
    def _there(self, record: int) -> Iterator[None]:
        if not 1 <= record <= self.size:
            raise RecordMissing(f"the audit log has {self.size} records, none of number {record}")
        try:
            if record >= self.first:
                yield
                return
        except FileNotFoundError:
            if record >= self.first:
                raise AuditDamaged(f"audit log {self.directory}: the segment of record {record} is missing") from None
        raise RecordPruned(f"record {record} of the audit log was pruned; the first that is there is {self.first}")

    def read(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, entry and tags of every record from ``first`` (or the oldest that is not pruned) on, in order.

        Fast, for rebuilding what is derived; the records are not held against their hashes.

        Raises:
            RecordPruned: records were pruned before they were read.
            AuditDamaged: a segment ends before it should.
        """
        try:
            yield from self._reader.read(max(first, self.first), self.size)
        except FileNotFoundError:
            raise RecordPruned("records of the audit log were pruned while they were read") from None

    def expired(self, before: str) -> int | None:
        """The first record to keep if those older than ``before`` go, None if there is no whole segment of them.

        Write a `records.Pruned` that says so, sign a checkpoint over it, then call `prune`.

        Args:
            before: an instant as records have it.
        """
        return retention.first_to_keep(self.segments, self._reader, self.first, self.size, before)
