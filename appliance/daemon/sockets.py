"""The daemon's Unix sockets: one for each role, mode 0660, its group if configured; and who calls.

A socket file that a crashed daemon left behind is removed, but only after a connection to it was refused;
one that somebody listens on, or a file that is no socket, is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from appliance.configuration import ConfigurationError, MetricsSection, SocketSection

BACKLOG = 4_096  # what the kernel lets wait to be accepted; with less, a client that may not block is refused sooner
_CREDENTIALS = struct.Struct("iII")  # struct ucred, unix(7): pid, uid, gid


class Caller(NamedTuple):
    """The process at the other end of a connection, as the kernel says, and the role of the socket."""

    role: str
    uid: int
    gid: int
    pid: int


class SocketRefused(ConfigurationError):
    """A socket cannot be made where the configuration wants it."""


class Listener:
    """A listening socket and the file it is bound to."""

    def __init__(self, section: SocketSection | MetricsSection, handed: socket.socket | None = None) -> None:
        """Bind it, or take the one that systemd ``handed`` over (`appliance.daemon.handed`), whose file is systemd's.

        Raises:
            SocketRefused: see the module's second paragraph, or the system refuses.
        """
        self.role = section.role
        self.uids = None if section.uids is None else frozenset(section.uids)
        self.path = section.path
        self._inode: int | None = None
        if handed is not None:
            self.socket = handed
            return
        group = _group_id(section)
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _clear(self.path)
            self.socket = _bind(self.path, group)
            self._inode = self.path.stat().st_ino
        except OSError as error:
            raise SocketRefused(f"socket {self.path}: {error.strerror}", f"check {section.keys}") from None

    def remove(self) -> None:
        """Take the file away, if it is still this socket's."""
        with contextlib.suppress(OSError):
            if self._inode is not None and self.path.lstat().st_ino == self._inode:
                self.path.unlink()


def caller(connection: socket.socket, role: str) -> Caller:
    """Who is at the other end (SO_PEERCRED: at the time of connecting)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Caller(role, uid, gid, pid)


def _bind(path: Path, group: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)  # nobody else can connect before group and mode are right
    try:
        listener.bind(str(path))
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o660)
        listener.listen(BACKLOG)
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
        raise SocketRefused(f"socket {path}: a file that is no socket is there", "remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer == errno.ECONNREFUSED:
        path.unlink()
    elif answer in (0, errno.EAGAIN):
        raise SocketRefused(f"socket {path}: already running: somebody listens on it", "stop that daemon first")
    else:
        raise OSError(answer, os.strerror(answer))


def _group_id(section: SocketSection | MetricsSection) -> int | None:
    if section.group is None:
        return None
    try:
        return grp.getgrnam(section.group).gr_gid
    except KeyError:
        raise SocketRefused(
            f"socket {section.path}: there is no group {section.group!r}", f"create it, or correct {section.keys}"
        ) from None
