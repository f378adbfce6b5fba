"""The engine as a service of systemd: whose connection it was started for, and the signs of life that it gives.

systemd starts one for every connection (``Accept=yes``), as a user of the engines' own, so that the daemon's user can
read neither the PIN nor the token's files nor this memory. It serves ``[engine] daemon_user`` alone.
"""

from __future__ import annotations

import pwd
import select
import socket
import sys
import time
from typing import ClassVar

from appliance import systemd
from appliance.configuration import EngineSection
from appliance.engine.starting import peer_uid
from appliance.errors import KagimoriError
from appliance.systemd import HandoverRefused, Manager
from appliance.tomlfile import ConfigurationError


class Stranger(KagimoriError):
    """Another user than the daemon's has connected. It is told no more than that."""

    exit_code: ClassVar[int] = 3


def connection() -> socket.socket:
    """The one connection that systemd started this process for.

    Raises:
        HandoverRefused: none, several, or something else.
    """
    handed = list(systemd.handed_over().values())
    if len(handed) != 1 or (handed[0].family, handed[0].type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        raise HandoverRefused(
            f"the engine was handed {len(handed)} sockets; it needs one connection on a Unix socket",
            "the socket unit has Accept=yes; an engine is never started by hand",
        )
    handed[0].setblocking(True)
    return handed[0]


def admit(connection: socket.socket, engine: EngineSection) -> None:
    """Refuse whoever is not the daemon's user, before the token or its PIN is touched.

    Raises:
        Stranger: another user.
        ConfigurationError: the configuration names no user, or one that is not there.
    """
    if engine.daemon_user is None:
        raise ConfigurationError(
            "[engine] daemon_user is not set, so an engine that systemd starts serves nobody",
            "name the user that `appliance serve` runs as, and the socket",
        )
    try:
        expected = pwd.getpwnam(engine.daemon_user).pw_uid
    except KeyError:
        raise ConfigurationError(
            f"[engine] daemon_user: there is no user {engine.daemon_user!r}", "create it, or correct the name"
        ) from None
    if (uid := peer_uid(connection)) != expected:
        print(f"kagimori engine: refused the user {uid}; only {engine.daemon_user} is served", file=sys.stderr)
        raise Stranger("the engine does not serve this user", "[engine] daemon_user names the one that it serves")


class Pulse:
    """Signs of life: none in the middle of an answer, so that systemd ends an engine whose token's module hangs."""

    def __init__(self, manager: Manager, status: str) -> None:
        """``status``: said together with the readiness."""
        self._manager = manager
        self._every = None if manager.watchdog is None else manager.watchdog / 4
        self._last = time.monotonic()
        manager.ready(status)

    def beat(self) -> None:
        """An answer is out, or nothing is to be done."""
        if self._every is not None and (now := time.monotonic()) - self._last >= self._every:
            self._last = now
            self._manager.alive()

    def receive(self, connection: socket.socket, most: int) -> bytes:
        """As ``recv``, with a beat now and then while nothing comes."""
        if self._every is not None:
            waiting = select.poll()
            waiting.register(connection, select.POLLIN)
            while not waiting.poll(self._every * 1_000):
                self.beat()
        return connection.recv(most)
