"""The file a job reads: opened once, a regular one, and known again after a kill."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from appliance.bulk.tables.errors import TableChanged, TableUnusable
from appliance.bulk.tables.table import Show, unseen

_ENDS = 65_536  # bytes of head and tail in a fingerprint
_BLOCK = 1_048_576
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def using(path: Path, doing: str = "read") -> Iterator[None]:
    """What the system says about a file, said to a person.

    Raises:
        TableUnusable: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        hint = "make room on the disk" if error.errno in _NO_ROOM else "check path and permissions"
        raise TableUnusable(f"{path}: cannot be {doing} ({error.strerror or error})", hint) from None


class InputFile:
    """A regular file, open for reading until closed.

    Raises:
        TableUnusable: it cannot be opened, or is a pipe, a folder or a device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with using(path):
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise TableUnusable(f"{path}: is no regular file", "a job reads its input again when it is resumed")

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on; fewer only at the end.

        Raises:
            TableUnusable: the system does not give them.
        """
        with using(self.path):
            return os.pread(self.descriptor, size, offset)

    @property
    def size_now(self) -> int:
        """Bytes the file has at this moment."""
        return os.fstat(self.descriptor).st_size

    def check_end(self, offset: int) -> None:
        """Called where the file ended.

        Raises:
            TableChanged: it was longer, or shorter, when it was opened.
        """
        if offset != self.size:
            raise TableChanged(
                f"{self.path}: had {self.size} bytes at the start and has {offset} now",
                "discard the job, and start it again when the file is complete",
            )

    def fingerprint(self) -> dict[str, str | int]:
        """Size, time, inode, and the digests of the first and last 64 KiB."""
        status = os.fstat(self.descriptor)
        tail = max(0, status.st_size - _ENDS)
        return {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "inode": status.st_ino,
            "head": hashlib.sha256(self.read(0, _ENDS)).hexdigest(),
            "tail": hashlib.sha256(self.read(tail, _ENDS)).hexdigest(),
        }

    def sha256(self, show: Show = unseen) -> str:
        """The digest of everything in it, in hex."""
        digest, offset = hashlib.sha256(), 0
        while block := self.read(offset, _BLOCK):
            digest.update(block)
            offset += len(block)
            show(offset, max(self.size, offset))
        return digest.hexdigest()

    def as_python_file(self) -> BinaryIO:
        """The file for a library that seeks and reads; closing it leaves this one open."""
        return open(self.descriptor, "rb", closefd=False)

    def close(self) -> None:
        """Let go of the file; may be called again."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
