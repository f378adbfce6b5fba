"""What is verified before a log is used, what is repaired, and what stops the start.

The newest segments are read in full (the others in the background, see `scrub`). Missing hashes are made anew from
the entries, present ones must be right. Only one kind of damage is what an honest crash leaves behind: an end of the
last segment that was never answered, for it lies behind every checkpoint and has no hash; it is cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from appliance.audit.checking import Check
from appliance.audit.errors import AuditDamaged, AuditRolledBack
from appliance.audit.levels import MOST_LEVELS, Levels, above, split
from appliance.audit.marks import Marks
from appliance.audit.offsets import Offsets
from appliance.audit.segments import Segments
from appliance.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

NEWEST = 8  # segments that are read in full before the start
MOST_BYTES = 2 << 30  # of them together, except that the last two are always read

Progress = Callable[[int, int], None]


class Opened(NamedTuple):
    """What was found.

    ``size``: records; ``segment`` and ``length``: the last segment and its right bytes; ``torn``: bytes behind them,
    which are to be cut off; ``anew``: hashes made anew; ``verified``: the first segment that was read in full;
    ``marks``: of the records read.
    """

    size: int
    segment: int
    length: int
    torn: int
    anew: int
    verified: int
    marks: Marks


class Opening:
    """The verification at the start of one log.

    Args:
        segments: where the entries are.
        levels: where the hashes are.
        offsets: hints that are brought up to date on the way.
        covered: records up to that number are under a checkpoint or cosignatures.
        progress: told how many bytes of how many have been read.
    """

    def __init__(self, segments: Segments, levels: Levels, offsets: Offsets, covered: int, progress: Progress) -> None:
        self._segments = segments
        self._levels = levels
        self._offsets = offsets
        self._covered = covered
        self._progress = progress
        self._anew = 0
        self._done = self._total = 0
        self._marks = Marks()

    def run(self, numbers: range) -> Opened:
        """Verify, make missing hashes anew, and load the tree. Nothing is cut off yet.

        Raises:
            AuditDamaged: something is not as a daemon left it; the message names the place.
            AuditRolledBack: there are fewer records than hashes or checkpoints.
            AuditUnusable: the system refuses.
        """
        start = self._first_to_read(numbers)
        chosen = numbers[start - numbers.start :]
        self._total = sum(self._segments.bytes(number) for number in chosen)
        for number in chosen[:-1]:
            self._whole(number)
        last = chosen[-1] if chosen else 0
        length, count, torn = self._last(last) if chosen else (0, 0, 0)
        size = last * self._segments.records + count
        if size < self._covered:
            raise AuditRolledBack(
                f"audit log {self._segments.folder}: it holds {size} records, its checkpoint says {self._covered}"
            )
        self._derive(start * self._segments.records, size)
        self._levels.load(size)
        return Opened(size, last, length, torn, self._anew, start, self._marks)

    def _first_to_read(self, numbers: range) -> int:
        """The oldest segment that must be read: one of the newest, or where hashes are missing from."""
        start, total = numbers.stop, 0
        for number in reversed(numbers[-NEWEST:]):
            total += self._segments.bytes(number)
            if total > MOST_BYTES and number < numbers.stop - 2:
                break
            start = number
        hashed = self._levels.stored(0) // self._segments.records
        if hashed < numbers.start:
            raise AuditDamaged(
                f"audit log {self._levels.path(0)}: it ends in segment {hashed}, whose records are no longer there"
            )
        return min(start, hashed)

    def _whole(self, number: int) -> None:
        check = self._check(number)
        if check.wrong is not None or len(check.hashes) != self._segments.records:
            raise self._damaged(number, check, check.wrong or "missing, though there is a later segment")
        self._take(number, check)

    def _last(self, number: int) -> tuple[int, int, int]:
        """The last segment: its right bytes and records, and how many bytes are to be cut off behind them."""
        check = self._check(number)
        torn = self._segments.bytes(number) - check.end
        if check.wrong is not None and self._answered(check.next):
            raise self._damaged(number, check, check.wrong)
        self._take(number, check)
        return check.end, len(check.hashes), torn

    def _answered(self, record: int) -> bool:
        """Whether that record, or a later one, was durable once: it is under a checkpoint, or it has a hash."""
        rest = self._levels.stored(0) - (record - 1)
        return record <= self._covered or (rest > 0 and bool(self._levels.peek(0, record - 1, rest).strip(b"\0")))

    def _check(self, number: int) -> Check:
        first, count, size = self._segments.first(number), self._segments.records, self._segments.bytes(number)
        check = Check(first, count, self._levels.peek(0, first - 1, count), self._covered)
        with self._segments.reading(number) as read:
            check.run(lambda length, offset: self._count(read(length, offset)), size)
        return check

    def _count(self, data: bytes) -> bytes:
        self._done += len(data)
        self._progress(min(self._done, self._total), self._total)
        return data

    def _damaged(self, number: int, check: Check, why: str) -> AuditDamaged:
        path = self._segments.path(number)
        return AuditDamaged(f"audit log {path}: record {check.next}, at byte {check.end}: {why}")

    def _take(self, number: int, check: Check) -> None:
        """Keep what was found: marks, hints, and the hashes that were missing."""
        for record in check.marked:
            self._marks = self._marks.noted(record)
        self._offsets.replace(number, check.starts)
        index, data = self._segments.first(number) - 1, b"".join(check.hashes)
        there = self._levels.peek(0, index, len(check.hashes))
        if there != data:
            present = split(there)
            self._anew += len(check.hashes) - sum(a == b for a, b in zip(present, check.hashes, strict=False))
            self._levels.put(0, index, data)

    def _derive(self, first: int, size: int) -> None:
        """Hold the hashes above the leaves from ``first`` on against those below them, and make missing ones."""
        for level in range(MOST_LEVELS):
            count = size >> TILE_HEIGHT * level
            if level:
                first = min(first >> TILE_HEIGHT, self._levels.stored(level))
                for index in range(first, count):
                    self._parent(level, index)
            self._end(level, count)

    def _parent(self, level: int, index: int) -> None:
        below = split(self._levels.read(level - 1, index << TILE_HEIGHT, TILE_WIDTH))
        there, right = self._levels.peek(level, index, 1), above(below)
        if there == right:
            return
        if there.strip(b"\0"):
            raise AuditDamaged(f"audit log {self._levels.path(level)}: hash {index} is not that of the hashes below it")
        self._levels.put(level, index, right)
        self._anew += 1

    def _end(self, level: int, count: int) -> None:
        """A level must not know more records than there are entries."""
        behind = self._levels.stored(level) - count
        if behind > 0 and self._levels.peek(level, count, behind).strip(b"\0"):
            raise AuditRolledBack(
                f"audit log {self._segments.folder}: it holds fewer records than {self._levels.path(level).name} has "
                f"hashes ({count} of {count + behind})"
            )
        self._levels.truncate(level, count)
