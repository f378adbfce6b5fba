"""Whether the records of a segment are right: each against its number, its tags, and its hash in ``level.0``.

A record that a checkpoint covers need not be parsed as a whole: its bytes are those that were hashed when the daemon
wrote it, or the root is another one. Those after it are held to the one encoding as well. Records are checked many at
a time; only where something is wrong in a batch, one by one, to name the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.audit import packing, records
from appliance.audit.packing import Batch, Read
from appliance.tlog.merkle import HASH_BYTES, leaf_hash

MARKED = frozenset({"ledger_loaded", "ceremony", "pruned"})


class _Lean(msgspec.Struct, gc=False):
    """As much of a record as needs comparing."""

    record: int
    kind: str
    tags: str | None = None


_decode = msgspec.json.Decoder(_Lean).decode


class Check:
    """One segment's records, read in order.

    Args:
        first: number of the segment's first record.
        most: how many records it may hold.
        known: the hashes that ``level.0`` has for it, 32 bytes each; zeros or nothing where one was never written.
        covered: records up to that number are under a checkpoint.

    ``hashes`` and ``ends`` tell, of each right record, the leaf hash and where it ends; ``wrong`` says what is wrong
    with the record behind them, None if that is the end of the segment.
    """

    def __init__(self, first: int, most: int, known: bytes, covered: int) -> None:
        self.hashes: list[bytes] = []
        self.ends: list[int] = []
        self.wrong: str | None = None
        self._first = first
        self._most = most
        self._known = known
        self._covered = covered
        self._marked: list[tuple[int, bytes]] = []

    @property
    def next(self) -> int:
        """The number of the record behind the right ones."""
        return self._first + len(self.hashes)

    @property
    def end(self) -> int:
        """Where the last right record ends."""
        return self.ends[-1] if self.ends else 0

    @property
    def starts(self) -> list[int]:
        """Where each right record starts."""
        return [0, *self.ends][: len(self.ends)]

    @property
    def marked(self) -> list[records.Record]:
        """The right records of the kinds that are marked."""
        return [records.decode(entry) for number, entry in self._marked if number < self.next]

    def run(self, read: Read, size: int) -> None:
        """Read the segment, whose file has ``size`` bytes, to its end or to the first wrong record."""
        for batch in packing.batches(read, 0, size):
            self.take(batch)
            if self.wrong is not None:
                return
        if self.end != size:
            self.wrong = "cut off, or no record at all"

    def take(self, batch: Batch) -> None:
        """Go on with these frames."""
        right = len(batch.ends)
        try:
            self._content(batch.entries, batch.tags, self.next)
        except records.NotARecord:
            right = self._first_wrong(batch)
        hashes = [leaf_hash(entry) for entry in batch.entries[:right]]
        right = self._compare(hashes)
        if len(self.hashes) + right > self._most:
            self.wrong = f"more than the {self._most} records of a segment"
            right = self._most - len(self.hashes)
        self.hashes += hashes[:right]
        self.ends += batch.ends[:right]

    def _content(self, entries: Sequence[bytes], tags: Sequence[bytes], first: int) -> None:
        """Check neighbouring records, all or none.

        Raises:
            NotARecord: one of them is wrong; if there is one only, the message says in what.
        """
        try:
            leans = [_decode(entry) for entry in entries]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise records.NotARecord(str(error)) from None
        numbers = range(first, first + len(leans))
        if [lean.record for lean in leans] != list(numbers):
            raise records.NotARecord(f"it says that it is record {leans[0].record}")
        for entry in entries[max(0, self._covered + 1 - first) :]:
            records.decode(entry)
        digests = [records.tags_digest(number, tag) if tag else None for number, tag in zip(numbers, tags, strict=True)]
        if [lean.tags for lean in leans] != digests:
            raise records.NotARecord("its subject tags are not those that it speaks of")
        both = zip(leans, entries, strict=True)
        self._marked += [(lean.record, entry) for lean, entry in both if lean.kind in MARKED]

    def _first_wrong(self, batch: Batch) -> int:
        """The index of the first record that is wrong in itself."""
        for index, (entry, tags) in enumerate(zip(batch.entries, batch.tags, strict=True)):
            try:
                self._content((entry,), (tags,), self.next + index)
            except records.NotARecord as error:
                self.wrong = str(error)
                return index
        raise AssertionError("records are wrong together and right alone")

    def _compare(self, hashes: list[bytes]) -> int:
        """How many of the hashes do not contradict ``level.0``."""
        place = len(self.hashes) * HASH_BYTES
        known = self._known[place : place + len(hashes) * HASH_BYTES]
        if known == b"".join(hashes):
            return len(hashes)
        for index, leaf in enumerate(hashes):
            there = known[index * HASH_BYTES : (index + 1) * HASH_BYTES]
            if there != leaf and there.strip(b"\0"):
                self.wrong = "not what was hashed when it was written"
                return index
        return len(hashes)
