"""How entries, tags, tiles and bundles are read back, from any thread: always held against the hash of the record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from appliance.audit import packing, records
from appliance.audit.errors import AuditDamaged
from appliance.audit.levels import Levels
from appliance.audit.offsets import Offsets
from appliance.audit.packing import Framed, Read
from appliance.audit.segments import Segments
from appliance.tlog.merkle import HASH_BYTES, leaf_hash
from appliance.tlog.tiles import TILE_WIDTH, Tile, pack_bundle


class Reader:
    """Reads records that are known to be there; the bounds are the caller's."""

    def __init__(self, segments: Segments, levels: Levels, offsets: Offsets) -> None:
        self._segments = segments
        self._levels = levels
        self._offsets = offsets

    def entry(self, record: int) -> bytes:
        """A record's bytes.

        Raises:
            AuditDamaged: they are not what was hashed, or cut off.
            FileNotFoundError: the segment is gone.
        """
        number, _ = self._segments.place(record)
        with self._segments.reading(number) as read:
            return self._find(read, record).entry

    def tags(self, record: int) -> bytes:
        """The subject tags beside a record, 16 bytes each.

        Raises:
            AuditDamaged: they are not those that the record speaks of, or cut off.
            FileNotFoundError: the segment is gone.
        """
        number, _ = self._segments.place(record)
        with self._segments.reading(number) as read:
            framed = self._find(read, record)
            tags = read(framed.tag_bytes, framed.tags_start) if framed.tag_bytes else b""
        if len(tags) != framed.tag_bytes or (tags and records.tags_digest(record, tags).encode() not in framed.entry):
            raise self._damaged(record, "its subject tags are not those that it speaks of")
        return tags

    def _find(self, read: Read, record: int) -> Framed:
        """The record's frame: where the hint says, else by walking there; its hash decides."""
        leaf = self._levels.read(0, record - 1, 1)
        for found in self._candidates(read, record):
            if leaf_hash(found.entry) == leaf:
                return found
        raise self._damaged(record, "not what was hashed when it was written")

    def _candidates(self, read: Read, record: int) -> Iterator[Framed]:
        number, index = self._segments.place(record)
        hint = self._offsets.find(number, index)
        if hint is not None:
            yield from packing.walk(read, hint, 1)
        yield from deque(packing.walk(read, 0, index + 1), maxlen=1)

    def bundle(self, tile: Tile) -> bytes:
        """An entry bundle (C2SP tlog-tiles).

        Raises:
            AuditDamaged: an entry is not what was hashed, or cut off.
            FileNotFoundError: the segment is gone.
        """
        first = tile.index * TILE_WIDTH + 1
        number, _ = self._segments.place(first)
        with self._segments.reading(number) as read:
            start = self._find(read, first).start
            entries = [framed.entry for framed in packing.walk(read, start, tile.width)]
        hashes = self._levels.read(0, first - 1, tile.width)
        for index in range(tile.width):
            leaf = hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]
            if index >= len(entries) or leaf_hash(entries[index]) != leaf:
                raise self._damaged(first + index, "not what was hashed when it was written")
        return pack_bundle(entries)

    def read(self, first: int, last: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, entry and tags of the records from ``first`` to ``last``, in order; nothing is held against hashes.

        Raises:
            AuditDamaged: a segment ends before it should.
            FileNotFoundError: a segment is gone.
        """
        record = first
        while record <= last:
            number, _ = self._segments.place(record)
            end = min(last, self._segments.first(number + 1) - 1)
            yield from self._segment(number, record, end)
            record = end + 1

    def _segment(self, number: int, record: int, last: int) -> Iterator[tuple[int, bytes, bytes]]:
        with self._segments.reading(number) as read:
            start = self._find(read, record).start
            for batch in packing.batches(read, start, self._segments.bytes(number)):
                for entry, tags in zip(batch.entries, batch.tags, strict=True):
                    yield record, entry, tags
                    if record == last:
                        return
                    record += 1
        raise self._damaged(record, "cut off")

    def _damaged(self, record: int, why: str) -> AuditDamaged:
        return AuditDamaged(f"audit log {self._segments.path(self._segments.place(record)[0])}: record {record}: {why}")
