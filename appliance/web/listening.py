"""Where a web server listens: a Unix socket (mode 0660) behind a TLS proxy, or TCP with a certificate of its own.

Plain HTTP over TCP is for this machine alone. A socket file that a crashed server left behind is removed, but only
after a connection to it was refused; whatever else is there is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import ipaddress
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Annotated

import msgspec

from appliance.configuration import LONGEST_SOCKET_PATH, ConfigurationError
from appliance.web.origin import Origin
from appliance.web.settings import Section

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
            ConfigurationError: see the module, second paragraph; the system refuses; certificate and key do not fit.
        """
        self.tls = _tls(listen)
        self._path = listen.socket
        self._inode: int | None = None
        try:
            self.socket = _bind_tcp(listen) if listen.socket is None else _bind_file(listen.socket, _group(listen))
            self._inode = None if listen.socket is None else listen.socket.stat().st_ino
        except OSError as error:
            raise ConfigurationError(f"[listen] {listen.place}: {error.strerror}", "is the address free?") from None

    @property
    def on_file(self) -> bool:
        """Whether it is a Unix socket."""
        return self._path is not None

    def close(self) -> None:
        """Listen no more; take the file away, if it is still this socket's."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if self._path is not None and self._path.lstat().st_ino == self._inode:
                self._path.unlink()


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


def _bind_file(path: Path, group: int | None) -> socket.socket:
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
        raise ConfigurationError(f"[listen] socket {path}: a file that is no socket is there", "choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer != errno.ECONNREFUSED:
        raise ConfigurationError(f"[listen] socket {path}: somebody listens on it", "stop that server first")
    path.unlink()


def _group(listen: Listen) -> int | None:
    try:
        return None if listen.group is None else grp.getgrnam(listen.group).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"[listen.group] there is no group {listen.group!r}", "create it, or correct it"
        ) from None
