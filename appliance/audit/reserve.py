"""Space kept free for the last words: when the disk is full it is given up, so that loss and stop can be recorded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from appliance.audit.errors import AuditUnusable
from appliance.audit.smallfiles import open_regular

FILE_NAME = "reserve"
BYTES = 1 << 20
_BLOCK = 512  # what st_blocks counts in (POSIX sys/stat.h leaves it open; Linux stat(2): 512)
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """A file of allocated, unused blocks.

    Raises:
        AuditUnusable: there is no room for it, or the system refuses.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        try:
            self.take()
        except OSError as error:
            raise AuditUnusable(
                f"audit log {self.path}: no room to hold {BYTES} bytes in reserve: {error.strerror}",
                "make room on the disk of the [audit] directory",
            ) from None

    def take(self) -> None:
        """Allocate the space, unless it is allocated.

        Raises:
            OSError: there is no room; nothing is held then.
        """
        descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(descriptor).st_blocks * _BLOCK < BYTES:
                os.posix_fallocate(descriptor, 0, BYTES)
                os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
        finally:
            os.close(descriptor)

    def give_up(self) -> None:
        """Free the space.

        Raises:
            OSError: the system refuses.
        """
        descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        try:
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
