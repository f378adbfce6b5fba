"""What a copy proves of itself: ledger, checkpoint, every record hashed up to the root, cosignatures.

The report believes nothing that others say of the copy; it looks at every record once, and while it counts
a record it proves that it is one of those that the checkpoint's signature covers. Where a proof fails the report goes
on, and says so at its top: a damaged log is the one to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from appliance.audit.records import Ceremony, LedgerLoaded, NotARecord, Pruned, Record, decode
from appliance.ledger.chain import Entry
from appliance.ledger.state import LedgerState
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree, place_of
from appliance.oversight.copy import Copy
from appliance.oversight.errors import OversightError, PieceMissing
from appliance.oversight.report import checks
from appliance.oversight.report.checks import Check, Faults
from appliance.oversight.report.marks import Recalled, recalled
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.report.witnesses import Witnessed, witnessed
from appliance.oversight.trust import Trust
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TlogError
from appliance.tlog.tiles import TILE_WIDTH, Tile, bundles_of, read_bundle

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A copy as the report sees it. ``pruned``: records that were removed after their retention.

    ``marks``: what people did not recognise, the newest first.
    """

    trust: Trust
    checkpoint: Checkpoint
    checks: tuple[Check, ...]
    witnesses: tuple[Witnessed, ...]
    pruned: int
    marks: tuple[Recalled, ...] = ()

    @property
    def state(self) -> LedgerState:
        """The ledger's newest state."""
        return self.trust.state

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The ledger, entry by entry."""
        return self.trust.entries

    @property
    def sound(self) -> bool:
        """Whether nothing that was checked is wrong."""
        return all(check.judgement != "bad" for check in self.checks)


def read(copy: Copy, trust: Trust, statistics: Statistics, progress: Progress = lambda done, size: None) -> Evidence:
    """Prove what can be proven of the copy, and fold its records into the statistics.

    Args:
        copy: an exported copy.
        trust: its ledger, verified.
        statistics: takes every record that can be read.
        progress: is told after each bundle how many records of how many are done.

    Raises:
        PieceMissing, TlogError: there is no checkpoint, or nothing like one.
    """
    checkpoint, signed = _checkpoint(copy, trust)
    reading = _Reading(copy, checkpoint, {entry.sequence: entry.head for entry in trust.entries})
    for record in reading.every(progress):
        try:
            statistics.take(record)
        except ValueError as error:
            reading.unreadable.add(f"record {record.record}: {error}")
    held = witnessed(copy, trust, reading.tree, checkpoint)
    every = (checks.ledger(trust), signed, *reading.checks(), checks.cosigned(held))
    return Evidence(trust, checkpoint, every, held, reading.pruned, recalled(reading.tree, statistics.marks))


def _checkpoint(copy: Copy, trust: Trust) -> tuple[Checkpoint, Check]:
    """The checkpoint, and whether a log key of the ledger signed it."""
    head = copy.head()
    try:
        signed = trusts.verify(copy.checkpoint(), trust)
    except (TlogError, OversightError) as error:
        return head, Check("checkpoint", "bad", {"size": head.size, "key": ""}, (error.message,))
    return signed.checkpoint, checks.checkpoint(trust, signed)


class _Reading:
    """One pass over the bundles, and what was wrong on the way."""

    def __init__(self, copy: Copy, checkpoint: Checkpoint, heads: Mapping[int, str]) -> None:
        self.size = checkpoint.size
        self.pruned = 0
        self.tree: AuthenticTree | None = None
        self.unreadable = Faults()
        self._unproven, self._strange = Faults(), Faults()
        self._proven = 0
        self._may_miss = 0
        self._began = False
        self._copy = copy
        self._heads = heads
        try:
            self.tree = AuthenticTree(copy.tile, checkpoint)
        except (OversightError, TlogError) as error:
            self._unproven.add(error.message)

    def every(self, progress: Progress) -> Iterator[Record]:
        """Every record that can be read, in order."""
        for tile in bundles_of(self.size):
            first = tile.index * TILE_WIDTH + 1
            for place, entry in enumerate(self._entries(tile)):
                try:
                    record = decode(entry)
                except NotARecord as error:
                    self.unreadable.add(f"{place_of(tile, place)}: no record: {error}")
                    continue
                if record.record != first + place:
                    self.unreadable.add(f"{place_of(tile, place)}: says it is record {record.record}")
                    continue
                self._look(record)
                yield record
            progress(tile.index * TILE_WIDTH + tile.width, self.size)

    def _entries(self, tile: Tile) -> list[bytes]:
        """The entries of a bundle, proven if they can be; none if it is not there."""
        try:
            data = self._copy.tile(tile)
        except PieceMissing as error:
            if self._began:
                self._unproven.add(error.message)
            else:
                self.pruned += tile.width
            return []
        self._began = True
        try:
            return self._prove(tile, data)
        except (OversightError, TlogError) as error:
            self._unproven.add(error.message)
        try:
            return read_bundle(data, tile.width)
        except TlogError as error:
            self.unreadable.add(f"{tile.path}: {error.message}")
            return []

    def _prove(self, tile: Tile, data: bytes) -> list[bytes]:
        if self.tree is None:
            return read_bundle(data, tile.width)
        entries = self.tree.prove(tile, data)
        self._proven += tile.width
        return entries

    def _look(self, record: Record) -> None:
        """What the log says of the ledger, held against the ledger; and which records it says were removed."""
        if isinstance(record, LedgerLoaded | Ceremony):
            if self._heads.get(record.sequence) != record.head:
                self._strange.add(f"record {record.record}: entry {record.sequence}, head {record.head[:16]}")
        elif isinstance(record, Pruned):
            self._may_miss = record.first - 1

    def checks(self) -> Iterator[Check]:
        """What came of it."""
        if self.pruned > self._may_miss:
            self._unproven.add(f"records {self._may_miss + 1} to {self.pruned}: no `pruned` record says why")
        counts = {"proven": self._proven, "size": self.size, "pruned": self.pruned}
        yield Check(
            "records_pruned" if self.pruned else "records",
            self._unproven.judgement,
            counts,
            tuple(self._unproven.places),
        )
        if self.unreadable.count:
            yield Check("unreadable", "bad", {"count": self.unreadable.count}, tuple(self.unreadable.places))
        yield Check("heads", self._strange.judgement, {}, tuple(self._strange.places))
