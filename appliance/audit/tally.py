"""How many numbers were converted under each order, and on each day for each role and purpose.

All of it follows from the log's conversion records, so a restart forgets nothing. A snapshot (`FILE_NAME`) saves
reading the whole log each time: it says up to which record it counts, and what came after is counted from the log.
A snapshot that is missing, damaged or ahead of the log is not believed; then everything is counted again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from appliance.audit import records
from appliance.durable import sync_folder

FILE_NAME = "tally.json"
KEPT_DAYS = 2
_CONVERSION = b'"kind":"conversion"'

Rows = dict[str, int]
Read = Callable[[int], Iterable[tuple[int, bytes, bytes]]]


class _Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``days``: count by ``day role purpose``."""

    type: Literal["kagimori/tally/v1"]
    record: records.Count
    orders: dict[records.Digest, records.Count]
    days: dict[str, records.Count]


class Tally:
    """``counted``: the record up to which everything is in. For one thread."""

    def __init__(self) -> None:
        self.counted = 0
        self._orders: Counter[str] = Counter()
        self._days: Counter[tuple[str, str, str]] = Counter()

    @classmethod
    def open(cls, directory: Path, last: int, read: Read) -> Tally:
        """What the log adds up to.

        Args:
            directory: where the snapshot lies.
            last: number of the log's last record.
            read: gives record numbers, entries and tags from a record on.
        """
        tally = cls()
        snapshot = _load(directory / FILE_NAME)
        if snapshot is not None and snapshot.record <= last:
            tally.counted = snapshot.record
            tally._orders.update(snapshot.orders)
            for text, count in snapshot.days.items():
                day, role, purpose = text.split(" ")
                tally._days[day, role, purpose] = count
        for number, entry, _ in read(tally.counted + 1):
            tally._read(number, entry)
        return tally

    def _read(self, number: int, entry: bytes) -> None:
        self.counted = number
        if _CONVERSION in entry:
            record = records.decode(entry)
            if isinstance(record, records.Conversion):
                self.take(record)

    def take(self, record: records.Conversion) -> None:
        """Count a conversion whose record is durable."""
        self.counted = max(self.counted, record.record)
        day = record.time[:10]
        self._days[day, record.role, record.purpose] += record.count
        if record.order is not None:
            self._orders[record.order] += record.count

    def used(self, order: str) -> int:
        """How many numbers were converted under an order (its digest)."""
        return self._orders[order]

    def on_day(self, day: str, role: str, purpose: str | None = None) -> int:
        """How many numbers a role converted on a day (``2026-11-26``, UTC), for one purpose or for all."""
        if purpose is not None:
            return self._days[day, role, purpose]
        return sum(count for (at, who, _), count in self._days.items() if (at, who) == (day, role))

    def snapshot(self) -> bytes:
        """What `save` writes. Days that no quota asks about any more are forgotten."""
        for day in sorted({key[0] for key in self._days})[:-KEPT_DAYS]:
            for key in [key for key in self._days if key[0] == day]:
                del self._days[key]
        snapshot = _Snapshot(
            type="kagimori/tally/v1",
            record=self.counted,
            orders=dict(self._orders),
            days={" ".join(key): count for key, count in self._days.items()},
        )
        return msgspec.json.encode(snapshot, order="sorted")


def save(directory: Path, snapshot: bytes) -> None:
    """Replace the snapshot durably; from any thread.

    Raises:
        OSError: it could not be written; the one before is still there.
    """
    temporary = directory / f"{FILE_NAME}.new"
    with temporary.open("wb") as file:
        file.write(snapshot)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / FILE_NAME)
    sync_folder(directory)


def _load(path: Path) -> _Snapshot | None:
    try:
        snapshot = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return snapshot if all(text.count(" ") == 2 for text in snapshot.days) else None
