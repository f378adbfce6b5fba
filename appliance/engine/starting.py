"""How the daemon comes to an engine: a process that it starts itself, or a socket behind which systemd starts one."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from appliance import ownprocess
from appliance.engine.frames import Failed

SOCKET_BUFFER = 1 << 20
ROOT = 0  # systemd listens as root, and SO_PEERCRED names who listened (unix(7))
_CREDENTIALS = struct.Struct("iII")  # struct ucred, unix(7): pid, uid, gid


class NotThere(Exception):
    """There is no engine to be had; ``failure`` says why."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Started(NamedTuple):
    """The daemon's end of the connection, and the engine's process if the daemon started it."""

    socket: socket.socket
    process: asyncio.subprocess.Process | None


async def start(config: Path, token: int, service: Path | None) -> Started:
    """An engine of the configuration's token with this number. ``service``: the socket that systemd starts it behind.

    Raises:
        NotThere: nobody listens there, or somebody who is neither root nor this user.
    """
    if service is not None:
        return Started(_connect(service), None)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    with theirs:
        return Started(ours, await _spawn(config, theirs, token))


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end: who connected, or who listened (SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        connection.connect(str(path))  # at once or not at all: a full queue is refused, not waited for
        if (uid := peer_uid(connection)) not in (ROOT, os.geteuid()):
            raise NotThere(_stranger(path, uid))
    except OSError as error:
        connection.close()
        raise NotThere(_nobody(path, error.strerror)) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _stranger(path: Path, uid: int) -> Failed:
    message = f"engine socket {path}: the user {uid} listens there; systemd would do so as root"
    hint = "find out who that is; the socket's folder must belong to root"
    return Failed(reason="configuration", message=message, hint=hint, exit_code=3)


def _nobody(path: Path, why: str | None) -> Failed:
    message = f"engine socket {path}: {why}"
    hint = "does its socket unit listen, and may the daemon's group connect? systemctl status kagimori-engine.socket"
    return Failed(reason="token", message=message, hint=hint, exit_code=5)


async def _spawn(config: Path, theirs: socket.socket, token: int) -> asyncio.subprocess.Process:
    """The engine's process, with one end of the pair."""
    given = ("--config", str(config.absolute()), "--fd", str(theirs.fileno()), "--token", str(token))
    return await asyncio.create_subprocess_exec(
        *ownprocess.command("appliance.engine", *given),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
        process_group=0,  # gets no signal of a terminal's; a session would be scheduled apart (sched(7), autogroup)
        env=ownprocess.environment(),
    )
