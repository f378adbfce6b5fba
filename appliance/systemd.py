"""What a service says to systemd and is handed by it: readiness, watchdog, status, and sockets that already listen.

By the plain protocols, without a library: sd_notify(3) sends words to the socket ``NOTIFY_SOCKET``; sd_listen_fds(3)
finds descriptors from 3 on. A process that systemd did not start says nothing and is handed nothing. What is taken
from the environment is removed there, so that no child takes it for its own.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import ClassVar

from appliance.errors import KagimoriError

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
MOST_SOCKETS = 256
LONGEST_STATUS = 500


class HandoverRefused(KagimoriError):
    """What systemd handed over is not what a service can use."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class Manager:
    """The service manager. ``watchdog``: the seconds within which it wants a sign of life; None: it wants none."""

    address: str | None = None
    watchdog: float | None = None

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> Manager:
        """The one that the environment names, if any; its variables are removed."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds = environment.pop("WATCHDOG_USEC", "")
        mine = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted = mine and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address or None, int(microseconds) / 1e6 if wanted else None)

    def ready(self, status: str) -> None:
        """Everything listens, or the reload is over."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """What is served is being loaded anew (with the moment, as `Type=notify-reload` asks for it)."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self) -> None:
        """No new work is taken."""
        self._tell("STOPPING=1")

    def alive(self, status: str | None = None) -> None:
        """The sign of life; with a new ``status``, one line."""
        self._tell("WATCHDOG=1", *(() if status is None else (_status(status),)))

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(_status(status))

    def _tell(self, *words: str) -> None:
        """Whoever is not heard is found out by the manager itself, so nothing is raised."""
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(words).encode(), address)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:LONGEST_STATUS]}"


def handed_over(environment: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """The sockets that were handed over, by their names (``FileDescriptorName=``); no child inherits them.

    Raises:
        HandoverRefused: a descriptor that is no socket, two of one name, or other than one name for each.
    """
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "")
    if environment.pop("LISTEN_PID", "") != str(os.getpid()) or not count.isdecimal():
        return {}
    if not int(count) <= MOST_SOCKETS:
        raise HandoverRefused(f"systemd hands over {count} sockets; at most {MOST_SOCKETS} are taken")
    named = names.split(":") if names else ["unknown"] * int(count)  # as sd_listen_fds_with_names(3) calls them
    if len(named) != int(count) or len(set(named)) != len(named):
        raise HandoverRefused(
            f"systemd hands over {count} sockets by the names {names or '(none)'!r}; each needs a name of its own",
            "set FileDescriptorName= in every socket unit",
        )
    return {name: _socket(FIRST_DESCRIPTOR + number, name) for number, name in enumerate(named)}


def _socket(descriptor: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise HandoverRefused(f"systemd hands over {name!r}, which is no socket: {error.strerror}") from None
