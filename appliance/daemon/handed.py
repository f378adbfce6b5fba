"""The listening sockets that systemd hands over: each must be the one that the configuration means, or none is used.

Made by a ``.socket`` unit, a socket is there before the daemon and stays when it goes: callers wait through a restart
instead of being refused. Its name (``FileDescriptorName=``) is the role's, or ``metrics``.
"""

from __future__ import annotations

import grp
import socket
import stat

from appliance import systemd
from appliance.configuration import Configuration, MetricsSection, SocketSection
from appliance.daemon.sockets import SocketRefused


def over(config: Configuration) -> dict[str, socket.socket]:
    """The sockets by role; none if systemd handed over none.

    Raises:
        HandoverRefused, SocketRefused: one has no name, is not in the configuration, is another than it says, does not
            listen, or can be used by others than its owner and group.
    """
    sections: dict[str, SocketSection | MetricsSection] = {section.role: section for section in config.sockets}
    if config.metrics is not None:
        sections.setdefault(config.metrics.role, config.metrics)
    found = systemd.handed_over()
    for name, handed in found.items():
        if name not in sections:
            raise SocketRefused(
                f"systemd hands over a socket {name!r}; the configuration has none of that role",
                "FileDescriptorName= in its unit must be the role of a [[socket]]",
            )
        _check(sections[name], handed)
        handed.setblocking(False)
    return found


def _check(section: SocketSection | MetricsSection, handed: socket.socket) -> None:
    where = f"socket of {section.role}, from systemd"
    if handed.family != socket.AF_UNIX or handed.type != socket.SOCK_STREAM:
        raise SocketRefused(f"{where}: no Unix stream socket", "set ListenStream= to a path")
    if not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise SocketRefused(f"{where}: it does not listen", "its unit needs Accept=no")
    if handed.getsockname() != str(section.path):
        raise SocketRefused(
            f"{where}: it is {handed.getsockname()!r}; the configuration says {section.path}",
            f"make ListenStream= and {section.keys} agree",
        )
    _check_file(section, where)


def _check_file(section: SocketSection | MetricsSection, where: str) -> None:
    try:
        status = section.path.lstat()
        group = None if section.group is None else grp.getgrnam(section.group).gr_gid
    except OSError as error:
        raise SocketRefused(f"{where}: {section.path}: {error.strerror}", "restart its socket unit") from None
    except KeyError:
        raise SocketRefused(
            f"{where}: there is no group {section.group!r}", f"create it, or correct {section.keys}"
        ) from None
    if not stat.S_ISSOCK(status.st_mode) or status.st_mode & 0o007:
        raise SocketRefused(f"{where}: others than its group can use {section.path}", "set SocketMode=0660")
    if group is not None and status.st_gid != group:
        raise SocketRefused(f"{where}: {section.path} is not of the group {section.group}", "set SocketGroup= to it")
