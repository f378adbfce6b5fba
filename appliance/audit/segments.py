"""Which files hold the entries: one for each 65,536 records, named by number, without a gap."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.audit.errors import AuditDamaged, AuditUnusable
from appliance.audit.packing import Read
from appliance.audit.smallfiles import open_regular
from appliance.tlog.tiles import TILE_WIDTH

FOLDER = "entries"
SEGMENT_RECORDS = 65_536

_NAME = re.compile(r"[0-9]{9}", re.ASCII)


class Segments:
    """The folder of segments. ``records``: how many one holds, a multiple of 256 (other than 65,536 in tests only)."""

    def __init__(self, directory: Path, records: int) -> None:
        if records % TILE_WIDTH or records <= 0:
            raise ValueError(f"a segment holds whole tiles of {TILE_WIDTH} records")
        self.folder = directory / FOLDER
        self.records = records

    def path(self, number: int) -> Path:
        """Where segment ``number`` (from 0) is."""
        return self.folder / f"{number:09d}"

    def place(self, record: int) -> tuple[int, int]:
        """The segment of a record, and the record's index in it, from 0."""
        return divmod(record - 1, self.records)

    def first(self, number: int) -> int:
        """The number of a segment's first record."""
        return number * self.records + 1

    def numbers(self) -> range:
        """The segments that there are.

        Raises:
            AuditUnusable: the system refuses.
            AuditDamaged: one is missing between others, or there is something that is no segment.
        """
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError as error:
            raise AuditUnusable(f"audit log {self.folder}: {error.strerror}") from None
        foreign = [name for name in names if _NAME.fullmatch(name) is None]
        if foreign:
            raise AuditDamaged(f"audit log {self.folder}: {foreign[0]!r} is no segment", "no other file belongs there")
        if not names:
            return range(0)
        there = range(int(names[0]), int(names[-1]) + 1)
        for number, name in zip(there, names, strict=False):
            if number != int(name):
                raise AuditDamaged(f"audit log {self.path(number)}: missing, between segments that are there")
        return there

    @contextmanager
    def reading(self, number: int) -> Iterator[Read]:
        """A function that reads (bytes at most, offset) from a segment.

        Raises:
            FileNotFoundError: there is no such segment.
            AuditUnusable: the system refuses, or it is no regular file.
        """
        with self._descriptor(number) as descriptor:
            yield lambda length, offset: self._read(number, descriptor, length, offset)

    @contextmanager
    def _descriptor(self, number: int) -> Iterator[int]:
        try:
            descriptor = open_regular(self.path(number), os.O_RDONLY)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise AuditUnusable(f"audit log {self.path(number)}: {error.strerror}") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _read(self, number: int, descriptor: int, length: int, offset: int) -> bytes:
        try:
            return os.pread(descriptor, length, offset)
        except OSError as error:
            raise AuditUnusable(f"audit log {self.path(number)}: {error.strerror} at byte {offset}") from None

    def bytes(self, number: int) -> int:
        """How large a segment's file is.

        Raises:
            FileNotFoundError: there is no such segment.
            AuditUnusable: the system refuses.
        """
        try:
            return self.path(number).lstat().st_size
        except FileNotFoundError:
            raise
        except OSError as error:
            raise AuditUnusable(f"audit log {self.path(number)}: {error.strerror}") from None
