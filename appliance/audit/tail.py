"""How records get into the last segment: a group is durable there, or nothing of it is."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable

from appliance.audit.errors import AuditUnusable
from appliance.audit.segments import Segments
from appliance.audit.smallfiles import open_regular
from appliance.durable import sync_folder


class Tail:
    """The last segment, open for writing. For one thread.

    ``number`` is the segment's, ``length`` the bytes in it that are durable; ``sync_seconds``: how long all writing has
    waited for the disk to sync.
    """

    def __init__(self, segments: Segments, number: int, length: int) -> None:
        """Open it. What lies behind ``length`` is left there until the first writing, and cut off then.

        Raises:
            AuditUnusable: the system refuses.
        """
        self.number = number
        self.length = length
        self.sync_seconds = 0.0
        self._segments = segments
        self._path = segments.path(number)
        try:
            self._descriptor = self._open(number)
            self._leftover = os.fstat(self._descriptor).st_size != length
        except OSError as error:
            raise self._unusable(error) from None
        try:
            sync_folder(segments.folder)  # the file may be new, or come from before a crash
        except OSError as error:
            os.close(self._descriptor)
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> AuditUnusable:
        return AuditUnusable(f"audit log {self._path}: {error.strerror}")

    def _open(self, number: int) -> int:
        return open_regular(self._segments.path(number), os.O_RDWR | os.O_APPEND | os.O_CREAT)

    def write(self, pieces: Iterable[bytes]) -> None:
        """Append ``pieces`` and wait until all of them are on the disk.

        Raises:
            OSError: they are not; what was written of them has been cut off again, now or before the next writing.
            Exception: what ``pieces`` raises; as above.
        """
        self._check_place()
        length = self.length
        try:
            for data in pieces:
                self._write(data)
                length += len(data)
            began = time.perf_counter()
            os.fdatasync(self._descriptor)
            self.sync_seconds += time.perf_counter() - began
        except BaseException:
            self._leftover = True
            os.ftruncate(self._descriptor, self.length)
            raise
        self.length = length

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _check_place(self) -> None:
        """The file must still be where it was and end where the last record ended."""
        here, there = os.fstat(self._descriptor), self._path.stat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise FileNotFoundError(errno.ENOENT, "the audit log's segment was moved away or replaced", str(self._path))
        if self._leftover:
            self._cut_off()
        elif here.st_size != self.length:
            raise OSError(errno.EIO, "something else wrote to the audit log's segment", str(self._path))

    def _cut_off(self) -> None:
        """Durably, before anything else is written there: a crash must not mix the old bytes with the new."""
        os.ftruncate(self._descriptor, self.length)
        os.fdatasync(self._descriptor)
        self._leftover = False

    def advance(self) -> None:
        """Begin the next segment, after everything about this one is durable.

        Raises:
            OSError: it could not be begun; trying again is safe.
        """
        self._check_place()
        os.fsync(self._descriptor)
        descriptor = self._open(self.number + 1)
        try:
            if os.fstat(descriptor).st_size:
                raise OSError(errno.EIO, "something else wrote the next segment of the audit log")
            sync_folder(self._segments.folder)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self.number, self.length = descriptor, self.number + 1, 0
        self._path = self._segments.path(self.number)

    def close(self) -> None:
        """Give the file up."""
        os.close(self._descriptor)
