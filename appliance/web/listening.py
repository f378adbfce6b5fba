"""Where a web server listens: a Unix socket (mode 0660) behind a TLS proxy, or TCP with a certificate of its own.

Plain HTTP over TCP is for this machine alone.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import socket
import ssl
from pathlib import Path
from typing import Annotated

import msgspec

from appliance.configuration import LONGEST_SOCKET_PATH
from appliance.socketfile import Occupied, SocketFile
from appliance.tomlfile import ConfigurationError, Section
from appliance.web.origin import Origin

BACKLOG = 128
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class Listen(Section, frozen=True, kw_only=True):
    """``[listen]``. ``origin``: where browsers find it. Either ``socket`` (and its ``group``) or ``host`` and ``port``.

    ``host`` is an address. ``certificate`` (with its chain) and ``key`` are PEM files, there together or not at all.
    """

    origin: str
    socket: Path | None = None
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    host: str | None = None
    port: Port | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        origin = Origin.parse(self.origin)
        if (self.socket is None) == (self.host is None):
            raise ValueError("Expected exactly one of `socket` and `host`")
        if (self.host is None) != (self.port is None):
            raise ValueError("Expected `host` and `port` together")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("Expected `certificate` and `key` together")
        if self.socket is not None and (
            self.certificate is not None or len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH
        ):
            raise ValueError("Expected `socket` to be a short path, and no `certificate`: the proxy before it has that")
        if self.host is not None:
            _check_address(self.host, self.certificate is not None, origin.secure)

    @property
    def place(self) -> str:
        """For people: where it listens."""
        return str(self.socket) if self.socket is not None else f"{self.host} port {self.port}"


def _check_address(host: str, tls: bool, secure: bool) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("Expected `host` to be an address, such as `127.0.0.1` or `::1`") from None
    if not tls and not address.is_loopback:
        raise ValueError(
            "Expected a `certificate` and `key`: without them, `host` must be this machine's own (127.0.0.1)"
        )
    if tls and not secure:
        raise ValueError("Expected `origin` to begin with `https://`, since there is a `certificate`")


class Bound:
    """A listening socket, and the file it is bound to."""

    def __init__(self, listen: Listen) -> None:
        """Bind it.

        Raises:
            ConfigurationError: something else is there; the system refuses; certificate and key do not fit.
        """
        self.tls = _tls(listen)
        self._file: SocketFile | None = None
        try:
            if listen.socket is None:
                self.socket = _bind_tcp(listen)
            else:
                self._file = SocketFile(listen.socket, _group(listen), BACKLOG)
                self.socket = self._file.socket
        except Occupied as why:
            hint = "stop that server first" if why.live else "choose another path"
            raise ConfigurationError(f"[listen] socket {listen.socket}: {why}", hint) from None
        except OSError as error:
            raise ConfigurationError(f"[listen] {listen.place}: {error.strerror}", "is the address free?") from None

    @property
    def on_file(self) -> bool:
        """Whether it is a Unix socket."""
        return self._file is not None

    def close(self) -> None:
        """Listen no more; take the file away, if it is still this socket's."""
        self.socket.close()
        if self._file is not None:
            self._file.remove()


def _tls(listen: Listen) -> ssl.SSLContext | None:
    if listen.certificate is None or listen.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.certificate, listen.key, password=lambda: "")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a certificate and its key"
        raise ConfigurationError(
            f"[listen] certificate {listen.certificate} and key {listen.key}: {why}", "both PEM, the key not encrypted"
        ) from None
    return context


def _bind_tcp(listen: Listen) -> socket.socket:
    address = ipaddress.ip_address(str(listen.host))
    listener = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), listen.port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _group(listen: Listen) -> int | None:
    try:
        return None if listen.group is None else grp.getgrnam(listen.group).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"[listen.group] there is no group {listen.group!r}", "create it, or correct it"
        ) from None
