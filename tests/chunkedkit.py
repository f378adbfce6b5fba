"""A streamed request in chunks, on a socket of its own, whose body and answer a test controls."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.daemonkit import Daemon, stream_path

PATH = stream_path("sspin.A", "sspin.B", "exchange")


class Chunked:
    """A streamed request whose body and answer are under the test's control."""

    def __init__(self, daemon: Daemon, path: str, role: str = "hub") -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(daemon.world.socket(role)))
        self._received = b""
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._socket.sendall(head.encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self._socket.sendall(b"0\r\n\r\n")

    def read_until(self, part: bytes) -> bytes:
        while part not in self._received:
            piece = self._socket.recv(65536)
            assert piece, self._received[-300:]
            self._received += piece
        return self._received

    def read_until_quiet(self, seconds: float) -> bytes:
        """What comes until nothing has come for so long."""
        data = b""
        self._socket.settimeout(seconds)
        with suppress(TimeoutError):
            while piece := self._socket.recv(1 << 20):
                data += piece
        self._socket.settimeout(20)
        return data

    def read_rest(self) -> bytes:
        """Everything until the daemon closes."""
        while True:
            try:
                piece = self._socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return self._received
            self._received += piece

    def close(self) -> None:
        self._socket.close()


@contextmanager
def chunked(daemon: Daemon, path: str = PATH, role: str = "hub") -> Iterator[Chunked]:
    conversation = Chunked(daemon, path, role)
    try:
        yield conversation
    finally:
        conversation.close()
