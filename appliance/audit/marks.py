"""Where the newest records are that a start asks about: the ledger in force, the last ceremony, the last pruning.

Derived from the log, and kept in ``marks.json`` so that a start need not read all of it. ``size`` says up to which
record the marks are complete. A file that is missing or not believed is made anew from the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from appliance.audit import packing, records, smallfiles
from appliance.audit.records import Count
from appliance.audit.segments import Segments

FILE_NAME = "marks.json"

_LEDGER, _CEREMONY, _PRUNED = b'"kind":"ledger_loaded"', b'"kind":"ceremony"', b'"kind":"pruned"'


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strict and canonical, as records are."""


class LedgerMark(_Struct, frozen=True, kw_only=True):
    """Of the newest `records.LedgerLoaded`."""

    record: Count
    sequence: Count
    head: str


class CeremonyMark(_Struct, frozen=True, kw_only=True):
    """Of the newest `records.Ceremony`."""

    record: Count
    sequence: Count


class PrunedMark(_Struct, frozen=True, kw_only=True):
    """Of the newest `records.Pruned`."""

    record: Count
    first: Count


class Marks(_Struct, frozen=True, kw_only=True):
    """What the log's first ``size`` records say; None where there is no such record."""

    type: Literal["kagimori/log-marks/v1"] = "kagimori/log-marks/v1"
    size: Count = 0
    ledger: LedgerMark | None = None
    ceremony: CeremonyMark | None = None
    pruned: PrunedMark | None = None

    def noted(self, record: records.Record) -> Marks:
        """The marks once that record follows (any record; most change nothing)."""
        number, replace = record.record, msgspec.structs.replace
        match record:
            case records.LedgerLoaded():
                return replace(self, ledger=LedgerMark(record=number, sequence=record.sequence, head=record.head))
            case records.Ceremony():
                return replace(self, ceremony=CeremonyMark(record=number, sequence=record.sequence))
            case records.Pruned():
                return replace(self, pruned=PrunedMark(record=number, first=record.first))
        return self

    def after(self, older: Marks) -> Marks:
        """These marks, with those of an older part of the log where there is none."""
        return msgspec.structs.replace(
            self,
            ledger=self.ledger or older.ledger,
            ceremony=self.ceremony or older.ceremony,
            pruned=self.pruned or older.pruned,
        )

    def found(self) -> dict[str, LedgerMark | CeremonyMark | PrunedMark]:
        """The marks that there are, by field."""
        marks = {"ledger": self.ledger, "ceremony": self.ceremony, "pruned": self.pruned}
        return {name: mark for name, mark in marks.items() if mark is not None}


def is_marked(entry: bytes) -> bool:
    """Whether a record is of a kind that is marked (strings in JSON cannot hold these bytes: quotes are escaped)."""
    return _LEDGER in entry or _CEREMONY in entry or _PRUNED in entry


def load(directory: Path) -> Marks:
    """The stored marks; empty ones if there are none or they cannot be read."""
    data = smallfiles.read(directory / FILE_NAME)
    try:
        return Marks() if data is None else msgspec.json.decode(data, type=Marks)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Marks()


def save(directory: Path, marks: Marks) -> None:
    """Store them.

    Raises:
        OSError: the old ones are still there.
        AuditUnusable: what is in their place is no regular file.
    """
    data = msgspec.json.encode(marks, order="sorted")
    if smallfiles.read(directory / FILE_NAME) != data:
        smallfiles.replace(directory / FILE_NAME, data)


def complete(
    directory: Path, newest: Marks, segments: Segments, older: range, size: int, entry: Callable[[int], bytes]
) -> Marks:
    """The marks of the whole log.

    Args:
        directory: where stored ones are.
        newest: those of the segments that were read.
        segments: where the entries are.
        older: the segments that were not read.
        size: records of the log.
        entry: reads one, held against its hash.

    Raises:
        AuditDamaged: what a stored mark refers to is not what was hashed.
        AuditUnusable: the system refuses.
    """
    stored = load(directory)
    if not _believed(stored, segments.first(older.start), size, entry):
        stored = Marks()
    gap = range(max(segments.place(stored.size + 1)[0], older.start), older.stop)
    wanted = {"ledger", "ceremony", *(["pruned"] if older.start else [])} - newest.found().keys()
    return newest.after(_search(segments, gap, wanted)).after(stored)


def _believed(marks: Marks, first: int, size: int, entry: Callable[[int], bytes]) -> bool:
    """Whether the records that are still there say what the marks say."""
    said = Marks()
    for mark in sorted(marks.found().values(), key=lambda mark: mark.record):
        if mark.record > size:
            return False
        if mark.record >= first:
            said = said.noted(records.decode(entry(mark.record)))
    there = {name: mark for name, mark in marks.found().items() if mark.record >= first}
    return marks.size <= size and said.found() == there


def _search(segments: Segments, numbers: range, wanted: set[str]) -> Marks:
    """The newest marks in some segments, looked for from the end until all that are wanted are found."""
    marks = Marks()
    for number in reversed(numbers):
        if not wanted - marks.found().keys():
            break
        here = Marks()
        for entry in _marked(segments, number):
            here = here.noted(records.decode(entry))
        marks = marks.after(here)
    return marks


def _marked(segments: Segments, number: int) -> Iterator[bytes]:
    with segments.reading(number) as read:
        for framed in packing.walk(read, 0, segments.records):
            if is_marked(framed.entry):
                yield framed.entry
