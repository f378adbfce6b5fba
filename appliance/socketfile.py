"""A Unix socket bound to a file of mode 0660, and the dead one before it taken away.

A file that a crashed server left behind is removed, but only after a connection to it was refused; one that somebody
listens on, or a file that is no socket, is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path


class Occupied(Exception):
    """Something else is there: ``live``: a socket that somebody listens on; else a file that is no socket."""

    def __init__(self, live: bool) -> None:
        super().__init__("somebody listens on it" if live else "a file that is no socket is there")
        self.live = live


class SocketFile:
    """A listening socket that does not block, and its file.

    Args:
        path: where it is to be.
        group: the id of the group that may connect; None: this process's.
        backlog: how many the kernel lets wait to be accepted.

    Raises:
        Occupied: it cannot be there. OSError: the system refuses.
    """

    def __init__(self, path: Path, group: int | None, backlog: int) -> None:
        _clear(path)
        self._path = path
        self.socket = _bind(path, group, backlog)
        self._inode = path.stat().st_ino

    def remove(self) -> None:
        """Take the file away, if it is still this socket's."""
        with contextlib.suppress(OSError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()


def _bind(path: Path, group: int | None, backlog: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)  # nobody else can connect before group and mode are right
    try:
        listener.bind(str(path))
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o660)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _clear(path: Path) -> None:
    """Remove a dead socket file; refuse anything else that is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Occupied(live=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer == errno.ECONNREFUSED:
        path.unlink()
    elif answer in (0, errno.EAGAIN):
        raise Occupied(live=True)
    else:
        raise OSError(answer, os.strerror(answer))
