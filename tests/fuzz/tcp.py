"""A way from TCP to a daemon's Unix socket, for tools that speak TCP only: bytes to and fro, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 65_536


@contextlib.contextmanager
def forwarded(path: Path) -> Iterator[str]:
    """The URL under which a Unix socket is reached as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        thread = threading.Thread(target=_accept, args=(server, path), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _accept(server: socket.socket, path: Path) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(path))
        except OSError:  # the caller sees a connection that ends at once, as it would at a daemon that is gone
            near.close()
            far.close()
            continue
        ends = _Ends(near, far)
        for here, there in ((near, far), (far, near)):
            threading.Thread(target=ends.pump, args=(here, there), daemon=True).start()


class _Ends:
    """The two connections of one caller, closed when both directions are done."""

    def __init__(self, *ends: socket.socket) -> None:
        self._ends = ends
        self._lock = threading.Lock()
        self._open = len(ends)

    def pump(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := here.recv(_BLOCK):
                there.sendall(block)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)
        with self._lock:
            self._open -= 1
            last = self._open == 0
        if last:
            for end in self._ends:
                end.close()
