"""The append-only file of audit records: one daemon writes it, every record is durable or not there.

The file is opened for appending and locked against a second daemon. At the start it is read
through: records must be canonical and count from 1 without a gap. Only one kind of damage is what
an honest crash leaves behind, a last line without its newline; it was never answered, so it is cut
off. Anything else refuses the start, because then something other than a daemon wrote here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from appliance.audit import records
from appliance.audit.errors import AuditDamaged, AuditLocked, AuditUnusable
from appliance.durable import sync_folder

FILE_NAME = "records.jsonl"
LONGEST_LINE = 16_384


class AuditStore:
    """Blocking and single-threaded; see `appliance.audit.commit` for the daemon's use of it.

    ``next_record`` is the number the next record gets; ``repaired`` the bytes cut off at the start.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.next_record = 1
        self.repaired = 0
        self._descriptor = descriptor
        self._size = 0
        self._leftover = False  # of a failed write that could not even be cut off

    @classmethod
    def open(cls, directory: Path) -> AuditStore:
        """Open the store in ``directory``, which must exist; the file is made if it is not there.

        Raises:
            AuditUnusable: the system refuses, or it is no regular file.
            AuditLocked: another daemon has it.
            AuditDamaged: see the module's first paragraph; the message names the line.
        """
        path = directory / FILE_NAME
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o640)
        except OSError as error:
            raise AuditUnusable(
                f"audit store {path}: {error.strerror}",
                "[audit] directory must exist and be writable; it is not made here, so that a lost disk is noticed",
            ) from None
        store = cls(path, descriptor)
        try:
            store._take_over(directory)
        except BaseException:
            os.close(descriptor)
            raise
        return store

    def _take_over(self, directory: Path) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise AuditUnusable(f"audit store {self.path}: not a regular file")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AuditLocked(
                f"audit store {self.path}: already running: another daemon writes it",
                "stop that daemon first, or give this one an [audit] directory of its own",
            ) from None
        self._scan()
        sync_folder(directory)

    def _scan(self) -> None:
        with self.path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                if not line.endswith(b"\n") and not file.peek(1):
                    self._cut_off(len(line))
                    return
                self._check(number, line)
                self._size += len(line)
                self.next_record = number + 1

    def _check(self, number: int, line: bytes) -> None:
        hint = "keep this file as evidence; start with a fresh [audit] directory only after finding out who changed it"
        try:
            record = records.decode(line[:-1])
        except records.NotARecord as error:
            raise AuditDamaged(f"audit store {self.path}: line {number} is no audit record: {error}", hint) from None
        if record.record != number:
            raise AuditDamaged(f"audit store {self.path}: line {number} is record {record.record}", hint)

    def _cut_off(self, torn: int) -> None:
        os.ftruncate(self._descriptor, self._size)
        os.fdatasync(self._descriptor)
        self.repaired = torn

    def append(self, lines: bytes, count: int) -> None:
        """Write ``count`` whole lines and wait until they are on the disk.

        Raises:
            OSError: they are not; what was written of them has been cut off again where possible,
                and the same record numbers will be used by the next call.
        """
        self._check_place()
        try:
            self._write(lines)
            os.fdatasync(self._descriptor)
        except OSError:
            self._leftover = True
            os.ftruncate(self._descriptor, self._size)
            self._leftover = False
            raise
        self._size += len(lines)
        self.next_record += count

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _check_place(self) -> None:
        """The file must still be where it was and end where the last record ended."""
        here, there = os.fstat(self._descriptor), self.path.stat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise FileNotFoundError(errno.ENOENT, "the audit file was moved away or replaced", str(self.path))
        if self._leftover:
            os.ftruncate(self._descriptor, self._size)
            self._leftover = False
        elif here.st_size != self._size:
            raise OSError(errno.EIO, "something else wrote to the audit file", str(self.path))

    def close(self) -> None:
        """Give the store (and its lock) up."""
        os.close(self._descriptor)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line
