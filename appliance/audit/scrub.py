"""The verification of what a start does not read: every record of the older segments, in the background, in steps."""

from __future__ import annotations

import time
from collections.abc import Iterator

from appliance.audit import packing
from appliance.audit.checking import Check
from appliance.audit.errors import AuditDamaged
from appliance.audit.levels import MOST_LEVELS, above, split
from appliance.audit.marks import FILE_NAME, Marks
from appliance.audit.view import ReadableLog
from appliance.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

STEP_PIECES = 32
PIECE_BYTES = 32_768  # about a hundred records: well below a millisecond, then the other threads have their turn
PIECE_PAUSE_SECONDS = 0.001


class Scrub:
    """One pass over the segments that the start of ``log`` did not read. For one thread.

    Every record, every hash above, and the marks are held against each other; nothing is made anew but hints.
    ``verified``: how many records have been.
    """

    def __init__(self, log: ReadableLog) -> None:
        self.verified = 0
        self._log = log
        self._marks = log.marks
        self._pieces = self._run()

    def step(self) -> bool:
        """Go on for some hundredths of a second, most of them asleep; whether there is more to do.

        Raises:
            AuditDamaged: a record, a hash or a mark is not as a daemon left it; the message names the place.
            AuditUnusable: the system refuses.
        """
        for _ in range(STEP_PIECES):
            if next(self._pieces, self) is self:
                return False
            time.sleep(PIECE_PAUSE_SECONDS)
        return True

    def _run(self) -> Iterator[None]:
        segments = self._log.segments
        for number in self._log.unread:
            try:
                if segments.first(number + 1) > self._log.first:
                    yield from self._segment(number)
            except FileNotFoundError:
                if segments.first(number + 1) > self._log.first:
                    raise AuditDamaged(f"audit log {segments.path(number)}: missing") from None

    def _segment(self, number: int) -> Iterator[None]:
        segments, first = self._log.segments, self._log.segments.first(number)
        known = self._log.levels.read(0, first - 1, segments.records)
        check = Check(first, segments.records, known, covered=0)
        with segments.reading(number) as read:
            for batch in packing.batches(read, 0, segments.bytes(number), PIECE_BYTES):
                check.take(batch)
                if check.wrong is not None:
                    break
                self.verified += len(batch.ends)
                yield
        self._require(number, check, known)
        for level in range(1, MOST_LEVELS):
            yield from self._parents(level, first - 1, first - 1 + segments.records)
        self._require_marks(check)
        self._log.offsets.replace(number, check.starts)

    def _require(self, number: int, check: Check, known: bytes) -> None:
        segments, wrong = self._log.segments, check.wrong
        if wrong is None and (check.end != segments.bytes(number) or len(check.hashes) != segments.records):
            wrong = "cut off, or no record at all"
        if wrong is not None:
            path = segments.path(number)
            raise AuditDamaged(f"audit log {path}: record {check.next}, at byte {check.end}: {wrong}")
        if b"".join(check.hashes) != known:
            raise AuditDamaged(f"audit log {self._log.levels.path(0)}: hashes of segment {number} are missing")

    def _parents(self, level: int, start: int, end: int) -> Iterator[None]:
        """The hashes of a level that are complete with these leaves."""
        levels = self._log.levels
        for index in range(start >> TILE_HEIGHT * level, end >> TILE_HEIGHT * level):
            below = split(levels.read(level - 1, index << TILE_HEIGHT, TILE_WIDTH))
            if levels.read(level, index, 1) != above(below):
                raise AuditDamaged(f"audit log {levels.path(level)}: hash {index} is not that of the hashes below it")
            yield

    def _require_marks(self, check: Check) -> None:
        """No record of a marked kind may be newer than the mark."""
        found, stated = Marks(), self._marks.found()
        for record in check.marked:
            found = found.noted(record)
        for name, mark in found.found().items():
            if name not in stated or stated[name].record < mark.record:
                raise AuditDamaged(
                    f"audit log {self._log.directory / FILE_NAME}: it does not know record {mark.record}"
                )
