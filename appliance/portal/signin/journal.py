"""What sign-in writes down: a line of JSON for each attempt and each revocation list, durable before anybody is told.

No line holds a name, a number of a person or what was pasted. A card is told by its certificate's fingerprint and by
its authority and serial number, which is what a register or an authority needs to look into it.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from appliance.durable import sync_folder
from appliance.ledger.text import render_instant
from appliance.portal.signin.reasons import SignInUnusable

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Journal:
    """The file, appended to; any thread may write. A file that was moved away (log rotation) is made anew.

    Raises:
        SignInUnusable: it cannot be opened, is no regular file, or others may write to it or read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = -1
        with self._lock:
            self._reopen()

    def write(self, moment: datetime, event: str, **facts: str | int | None) -> None:
        """A line, on the disk when this returns.

        Raises:
            SignInUnusable: it cannot be written; whoever asked must not be let in.
        """
        line = json.dumps({"time": render_instant(moment), "event": event, **facts}, ensure_ascii=False) + "\n"
        with self._lock:
            if not self._is_in_place():
                self._reopen()
            self._append(line.encode())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._drop()

    def _append(self, line: bytes) -> None:
        before = None
        try:
            before = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, line) != len(line):
                raise OSError(0, "only a part of a line could be written")
            os.fsync(self._descriptor)
        except OSError as error:
            if before is not None:
                with suppress(OSError):  # else the next opening ends the line
                    os.ftruncate(self._descriptor, before)
            self._drop()
            raise self._unusable(str(error.strerror)) from None

    def _is_in_place(self) -> bool:
        try:
            named = self._path.lstat()
            opened = os.fstat(self._descriptor)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)

    def _reopen(self) -> None:
        self._drop()
        try:
            self._descriptor = os.open(self._path, _FLAGS, 0o600)
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o037:
                raise self._refused(status)
            self._end_torn_line(status.st_size)
            sync_folder(self._path.parent)
        except OSError as error:
            self._drop()
            raise self._unusable(str(error.strerror)) from None

    def _end_torn_line(self, size: int) -> None:
        """A crash in the middle of a line must not spoil the next one."""
        with self._path.open("rb") as file:
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):
                os.write(self._descriptor, b"\n")

    def _refused(self, status: os.stat_result) -> SignInUnusable:
        self._drop()
        if not stat.S_ISREG(status.st_mode):
            return self._unusable("not a regular file", "name a file")
        return self._unusable("others may read it, or its group write to it", f"chmod 600 {self._path}")

    def _drop(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _unusable(self, what: str, hint: str = "check path, permissions and disk space") -> SignInUnusable:
        return SignInUnusable(f"sign-in journal {self._path}: {what}", hint)
