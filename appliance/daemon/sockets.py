"""The daemon's Unix sockets: one for each role, mode 0660, its group if configured; and who calls.

What is at a socket's place already is dealt with as `appliance.socketfile` says.
"""

from __future__ import annotations

import grp
import socket
import struct
from typing import NamedTuple

from appliance.configuration import MetricsSection, SocketSection
from appliance.socketfile import Occupied, SocketFile
from appliance.tomlfile import ConfigurationError

BACKLOG = 4_096  # what the kernel lets wait to be accepted; with less, a client that may not block is refused sooner
_OTHER_FILE = "remove it, or choose another path"
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
            SocketRefused: something else is there, or the system refuses.
        """
        self.role = section.role
        self.uids = None if section.uids is None else frozenset(section.uids)
        self.path = section.path
        self._file: SocketFile | None = None
        if handed is not None:
            self.socket = handed
            return
        group = _group_id(section)
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._file = SocketFile(self.path, group, BACKLOG)
        except Occupied as why:
            running, hint = ("already running: ", "stop that daemon first") if why.live else ("", _OTHER_FILE)
            raise SocketRefused(f"socket {self.path}: {running}{why}", hint) from None
        except OSError as error:
            raise SocketRefused(f"socket {self.path}: {error.strerror}", f"check {section.keys}") from None
        self.socket = self._file.socket

    def remove(self) -> None:
        """Take the file away, if it is still this socket's."""
        if self._file is not None:
            self._file.remove()


def caller(connection: socket.socket, role: str) -> Caller:
    """Who is at the other end (SO_PEERCRED: at the time of connecting)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Caller(role, uid, gid, pid)


def _group_id(section: SocketSection | MetricsSection) -> int | None:
    if section.group is None:
        return None
    try:
        return grp.getgrnam(section.group).gr_gid
    except KeyError:
        raise SocketRefused(
            f"socket {section.path}: there is no group {section.group!r}", f"create it, or correct {section.keys}"
        ) from None
