"""The audit log: records in segments, their hashes in a Merkle tree, the newest checkpoint; one writer, many readers.

What an answer waits for is `AuditLog.append`: one write and one ``fdatasync`` for a whole group. Everything else in
the folder is derived from the entries, or signed. What is verified before the log can be used: see `opening`; the
daemon then holds it against the engine's memory and the ledger (`AuditLog.require_behind`, ``last_ledger``).

What a missing file means at the start: a segment is damage (the last one: fewer records than hashes or checkpoint
know). ``checkpoint`` or ``cosigned`` stop nothing here, for a log may have died before its first; a log that is
shorter or another is then stopped by the engine's mark alone. Hashes, hints and marks are made anew, except that
nothing can make the hashes of pruned records anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import accumulate
from pathlib import Path

from msgspec.structs import replace

from appliance.audit import marks as marking
from appliance.audit import packing, records, retention
from appliance.audit.entries import Item, encode, now
from appliance.audit.errors import AuditError
from appliance.audit.folder import take_lock
from appliance.audit.levels import Head
from appliance.audit.opening import Opening, Progress
from appliance.audit.reserve import Reserve
from appliance.audit.segments import SEGMENT_RECORDS
from appliance.audit.signedheads import SignedHead, require_behind
from appliance.audit.tail import Tail
from appliance.audit.view import ReadableLog
from appliance.tlog.merkle import leaf_hash

_MARKED = (records.LedgerLoaded, records.Ceremony, records.Pruned)


__all__ = ["AuditLog", "Item"]

Late = Callable[[int], Sequence[Item]]


def _nobody(most: int) -> Sequence[Item]:
    return ()


class _Group:
    """Records that become durable together, from number ``first`` on; ``lengths``: of their frames."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.records: list[records.Record] = []
        self.entries: list[bytes] = []
        self.lengths: list[int] = []

    def add(self, items: Sequence[Item]) -> bytes:
        """Some more: their frames. Raises as `appliance.audit.entries.encode`."""
        time = now()
        entries = [encode(item, number, time) for number, item in enumerate(items, self._first + len(self.entries))]
        frames = packing.pack(entries, [item.tags for item in items])
        self.records += [item.record for item in items]
        self.entries += entries
        self.lengths += map(len, frames)
        return b"".join(frames)


class AuditLog(ReadableLog):
    """Blocking. One thread at a time appends; all else may be called from any thread.

    ``repaired``: bytes of a torn end, cut off with the first writing. ``repaired_levels``: hashes that were made anew
    at the start. ``reserve``: space for the last words.
    """

    def __init__(self, directory: Path, segment_records: int, files: ExitStack) -> None:
        """For `open` only."""
        super().__init__(directory, segment_records, files)
        self._checkpoint = SignedHead(directory, "checkpoint")
        self._cosigned = SignedHead(directory, "cosigned")
        self._files = files

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        progress: Progress = lambda done, total: None,
        segment_records: int = SEGMENT_RECORDS,
    ) -> AuditLog:
        """Open the log in ``directory``, which must exist; a log that is not there is begun.

        Args:
            directory: the folder.
            progress: told how many bytes of how many have been verified.
            segment_records: for tests: records of a segment, a multiple of 256, the same at every opening.

        Raises:
            AuditUnusable: the system refuses, or something there is no regular file.
            AuditLocked: another daemon has it.
            AuditDamaged: something is not as a daemon left it; the message names the file and the place.
            AuditRolledBack: the log is shorter than, or other than, hashes, checkpoint or cosignatures say.
        """
        with ExitStack() as files:
            files.callback(os.close, take_lock(directory))
            log = cls(directory, segment_records, files)
            log._verify(progress)
            log._files = files.pop_all()
        return log

    def _verify(self, progress: Progress) -> None:
        """Nothing that is evidence is touched before everything here was found right."""
        heads = (self._checkpoint, self._cosigned)
        numbers = self.segments.numbers()
        covered = max(head.size for head in heads)
        found = Opening(self.segments, self.levels, self.offsets, covered, progress).run(numbers)
        for head in heads:
            head.require(self.levels)
        self.size, self.repaired, self.repaired_levels = found.size, found.torn, found.anew
        self.unread = numbers[: found.verified - numbers.start]
        self.marks = marking.complete(
            self.directory, found.marks, self.segments, self.unread, found.size, self._reader.entry
        )
        self.first = retention.first_kept(self.segments, numbers, self.marks)
        self.reserve = Reserve(self.directory)
        self._tail = Tail(self.segments, found.segment, found.length)
        self._files.callback(self._tail.close)

    @property
    def next_record(self) -> int:
        """The number the next record gets."""
        return self.size + 1

    @property
    def sync_seconds(self) -> float:
        """How long all appending has waited for the disk to sync."""
        return self._tail.sync_seconds

    def append(self, items: Sequence[Item], late: Late = _nobody) -> int:
        """Make records durable; the number of the first. Each gets its number, the time, and its tags' digest.

        A group that goes over the end of a segment is made durable in two pieces. When all is written, and before the
        disk syncs, ``late`` is asked for what may join the group: at most so many.

        Raises:
            OSError: nothing is there of the records from `next_record` on (as it is then), which will be given to
                the next ones.
            EntryTooLong: one of them is; as above.
        """
        first, rest = self.next_record, list(items)
        while rest:
            room = self.segments.records - self.size % self.segments.records
            piece, rest = rest[:room], rest[room:]
            self._append(piece, late, room - len(piece))
        return first

    def _append(self, items: list[Item], late: Late, room: int) -> None:
        number, index = self.segments.place(self.next_record)
        group = _Group(self.next_record)
        frames = self._frames(group, items)
        self.levels.settle()
        if number != self._tail.number:
            self._advance()

        def all_frames() -> Iterator[bytes]:
            yield frames
            if joined := late(room):
                yield self._frames(group, joined)

        start = self._tail.length
        self._tail.write(all_frames())
        self.offsets.write(number, index, list(accumulate(group.lengths, initial=start))[:-1])
        self.levels.extend([leaf_hash(entry) for entry in group.entries])
        self.size += len(group.entries)
        for record in group.records:
            if isinstance(record, _MARKED):
                self._note(record)

    def _frames(self, group: _Group, items: Sequence[Item]) -> bytes:
        for item in items:
            if isinstance(item.record, records.Pruned):
                self._require_prunable(item.record)
        return group.add(items)

    def _require_prunable(self, record: records.Pruned) -> None:
        if record.first > self.size + 1 or (record.first - 1) % self.segments.records:
            raise ValueError(f"record {record.first} is not where whole segments end")

    def _advance(self) -> None:
        """Begin a segment, after everything about the one before is durable: it need never be made anew."""
        self.levels.sync()
        marking.save(self.directory, replace(self.marks, size=self.size))
        self._tail.advance()

    def _note(self, record: records.Record) -> None:
        self.marks = self.marks.noted(record)
        if isinstance(record, records.Pruned):
            self.first = max(self.first, record.first)

    @property
    def last_ledger(self) -> tuple[int, str] | None:
        """Sequence and head of the newest `records.LedgerLoaded`, None if there never was one."""
        mark = self.marks.ledger
        return None if mark is None else (mark.sequence, mark.head)

    @property
    def last_ceremony(self) -> int:
        """The sequence of the newest `records.Ceremony`, 0 if there never was one."""
        return 0 if self.marks.ceremony is None else self.marks.ceremony.sequence

    def require_behind(self, size: int, root: bytes) -> None:
        """Hold the log against what the engine signed last.

        Raises:
            AuditRolledBack: the log is shorter, or another one.
        """
        require_behind(self.levels, Head(size, root), "the engine's mark of what it signed")

    @property
    def checkpoint(self) -> bytes | None:
        """The newest stored checkpoint, a signed note."""
        return self._checkpoint.note

    def store_checkpoint(self, note: bytes) -> None:
        """Put a newer checkpoint in its place; its signature is the caller's to verify.

        Raises:
            AuditDamaged, AuditRolledBack: it is not one of this log.
            OSError: it could not be written; the one before is still there.
        """
        self._checkpoint.store(note, self.levels)

    @property
    def cosigned(self) -> bytes | None:
        """The newest stored checkpoint with cosignatures."""
        return self._cosigned.note

    def store_cosigned(self, note: bytes) -> None:
        """As `store_checkpoint`, for the cosigned one."""
        self._cosigned.store(note, self.levels)

    def prune(self) -> int:
        """Remove the segments that a `records.Pruned` under the stored checkpoint lets go; how many they were.

        Raises:
            OSError: not all are gone; trying again is safe.
        """
        mark = self.marks.pruned
        if mark is None or mark.record > self._checkpoint.size:
            return 0
        return retention.remove(self.segments, self.offsets, mark.first)

    def close(self) -> None:
        """Give the log and its lock up."""
        with suppress(OSError, AuditError):
            marking.save(self.directory, replace(self.marks, size=self.size))
        self._files.close()
