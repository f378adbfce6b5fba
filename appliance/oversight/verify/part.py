"""A stretch of bundles of a copy, verified by itself: entries against tiles, records in their one form and place.

Runs in a process of its own. What it tells is small, whatever the number of records: the hashes over its level-0 tiles
(for the level above), what the records add up to, and what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.audit import records
from appliance.audit.records import NotARecord
from appliance.oversight.authentic import place_of
from appliance.oversight.copy import Copy
from appliance.oversight.errors import FolderUnusable, PieceMissing, PieceWrong
from appliance.oversight.verify.facts import Event, Facts
from appliance.oversight.verify.findings import MOST_IN_PART, Finding, Findings
from appliance.tlog.errors import TileInvalid
from appliance.tlog.merkle import leaf_hash
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, read_bundle, read_hashes, tile_hash, tile_of

BUNDLES = 32  # in one part: 8,192 records, some 50 ms of work
UNKNOWN = b""  # a hash that cannot be known


@dataclass
class Part:
    """What one stretch told. ``above``: by bundle, the hash over its full level-0 tile; ``missing``: bundle numbers."""

    first: int
    records: int = 0
    above: list[bytes] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    begin: str = ""
    latest: str = ""
    latest_record: int = 0
    findings: list[Finding] = field(default_factory=list)
    omitted: int = 0


def examine(directory: str, size: int, first: int, last: int) -> Part:
    """Verify the bundles from ``first`` up to, but not including, ``last``."""
    return _Examiner(Copy(Path(directory)), size, first).run(last)


class _Examiner:
    def __init__(self, copy: Copy, size: int, first: int) -> None:
        self._copy = copy
        self._size = size
        self._findings = Findings(MOST_IN_PART)
        self._facts = Facts(self._findings)
        self._part = Part(first)

    def run(self, last: int) -> Part:
        part, facts = self._part, self._facts
        for index in range(part.first, last):
            entries, hashes = self._bundle(index), self._tile(index)
            leaves = [leaf_hash(entry) for entry in entries] if entries is not None else None
            if leaves is not None:
                self._compare(index, leaves, hashes)
                self._records(index, entries or ())
            self._above(index, hashes or leaves)
        facts.close()
        part.events, part.begin, part.latest, part.latest_record = (
            facts.events,
            facts.first,
            facts.latest,
            facts.latest_record,
        )
        part.findings, part.omitted = self._findings.kept, self._findings.omitted
        return part

    def _bundle(self, index: int) -> list[bytes] | None:
        tile = tile_of(ENTRIES, index, self._size)
        try:
            return read_bundle(self._copy.tile(tile), tile.width)
        except PieceMissing:
            self._part.missing.append(index)
        except (PieceWrong, FolderUnusable) as error:
            self._findings.add(tile.path, error.message.removeprefix(f"{tile.path}: "))
        except TileInvalid as error:
            self._findings.add(tile.path, error.message)
        return None

    def _tile(self, index: int) -> list[bytes] | None:
        tile = tile_of(0, index, self._size)
        try:
            return read_hashes(self._copy.tile(tile), tile.width)
        except (PieceMissing, PieceWrong, FolderUnusable) as error:
            self._findings.add(tile.path, error.message.removeprefix(f"{tile.path}: "))
        except TileInvalid as error:
            self._findings.add(tile.path, error.message)
        return None

    def _compare(self, index: int, leaves: list[bytes], hashes: list[bytes] | None) -> None:
        if hashes is None or leaves == hashes:
            return
        bundle, tile = tile_of(ENTRIES, index, self._size), tile_of(0, index, self._size)
        for place, (leaf, expected) in enumerate(zip(leaves, hashes, strict=True)):
            if leaf != expected:
                self._findings.add(place_of(bundle, place), f"its hash is not the one that {tile.path} holds")

    def _records(self, index: int, entries: Sequence[bytes]) -> None:
        decode, take = records.decode, self._facts.take
        bundle = tile_of(ENTRIES, index, self._size)
        number = index * TILE_WIDTH
        for place, entry in enumerate(entries):
            number += 1
            try:
                record = decode(entry)
            except NotARecord as error:
                self._findings.add(place_of(bundle, place), f"no record: {error}")
                continue
            if record.record != number:
                self._findings.add(place_of(bundle, place), f"says it is record {record.record}")
            take(record, (bundle, place))
            if isinstance(record, records.NotRecognised) and not self._marks_conversion(record):
                what = f"marks record {record.marked}, which is no conversion before it"
                self._findings.add(place_of(bundle, place), what)
        self._part.records += len(entries)

    def _marks_conversion(self, mark: records.NotRecognised) -> bool:
        """Whether a mark is about a conversion before it; one that cannot be read is not judged here."""
        index, place = divmod(mark.marked - 1, TILE_WIDTH)
        if not 1 <= mark.marked < mark.record <= self._size:
            return False
        tile = tile_of(ENTRIES, index, self._size)
        try:
            entry = read_bundle(self._copy.tile(tile), tile.width)[place]
            return isinstance(records.decode(entry), records.Conversion)
        except (PieceMissing, PieceWrong, FolderUnusable, TileInvalid, NotARecord):
            return True

    def _above(self, index: int, hashes: list[bytes] | None) -> None:
        """The hash over a full tile, which the level above must hold."""
        if tile_of(0, index, self._size).full:
            self._part.above.append(tile_hash(b"".join(hashes)) if hashes is not None else UNKNOWN)
