"""Which records are old enough to go, and how they go: whole segments, after a durable, signed record says so."""

from __future__ import annotations

from appliance.audit import records
from appliance.audit.errors import AuditDamaged
from appliance.audit.marks import Marks
from appliance.audit.offsets import Offsets
from appliance.audit.reading import Reader
from appliance.audit.segments import Segments
from appliance.durable import sync_folder


def first_kept(segments: Segments, numbers: range, marks: Marks) -> int:
    """The number of the oldest record that is not pruned.

    Raises:
        AuditDamaged: segments are missing that no record says were pruned.
    """
    first = 1 if marks.pruned is None else marks.pruned.first
    if segments.first(numbers.start) > first:
        path = segments.path(numbers.start - 1)
        raise AuditDamaged(f"audit log {path}: missing; the records from {first} on were not pruned")
    return first


def first_to_keep(segments: Segments, reader: Reader, first: int, size: int, before: str) -> int | None:
    """The first record to keep if everything older than ``before`` goes; None if no whole segment is that old.

    The last segment always stays. The first segment with a younger record ends the search, wherever in it that is:
    clocks go backwards at times.

    Args:
        segments: where the entries are.
        reader: reads the last record of each segment.
        first: number of the oldest record that is still there.
        size: records of the log.
        before: an instant as records have it.

    Raises:
        AuditDamaged: a record that was read is not what was hashed.
    """
    keep = first
    for number in range(segments.place(first)[0], segments.place(size)[0] if size else 0):
        last = segments.first(number + 1) - 1
        if records.decode(reader.entry(last)).time >= before or _younger(reader, keep, last, before):
            break
        keep = last + 1
    return keep if keep > first else None


def _younger(reader: Reader, first: int, last: int, before: str) -> bool:
    return any(records.decode(entry).time >= before for _, entry, _ in reader.read(first, last))


def remove(segments: Segments, offsets: Offsets, first: int) -> int:
    """Remove the segments that lie wholly before record ``first``, the oldest first; how many they were.

    Raises:
        OSError: not all are gone; trying again is safe.
    """
    removed = 0
    for number in segments.numbers():
        if segments.first(number + 1) > first:
            break
        segments.path(number).unlink()
        offsets.remove(number)
        removed += 1
    if removed:
        sync_folder(segments.folder)
    return removed
