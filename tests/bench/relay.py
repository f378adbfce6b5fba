"""What this machine gives whoever hands a request on: two bare processes and one ``fdatasync``, and nothing else.

A front takes requests from Unix sockets and hands each to a back process, which echoes it; the front makes 300 bytes
durable and answers. That is the least that a daemon does which keeps keys in a process of its own and records before
it answers, so no daemon's latencies can be below these, alone or beside other work, while requests are so few that
they do not queue: each has a sync of its own here, where a daemon makes a group durable at once.

It is started as ``python -m tests.bench.relay SOCKET FILE`` and ends with its standard input.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RECORD = bytes(300)
REQUEST = b"POST /relay HTTP/1.1\r\nContent-Length: 120\r\n\r\n" + b"x" * 120
TEXT = b"relayed"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + TEXT


def main(path: str, file: str) -> None:
    """Serve until standard input ends."""
    front, back = socket.socketpair()
    if os.fork() == 0:
        front.close()
        while data := back.recv(4096):
            back.sendall(data)
        os._exit(0)
    back.close()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    record = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with selectors.DefaultSelector() as selector:
        for source in (sys.stdin.fileno(), listener):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ, True)
                elif key.data is None:
                    return
                elif not _answer(key.fileobj, front, record):  # type: ignore[arg-type]
                    selector.unregister(key.fileobj)


def _answer(caller: socket.socket, back: socket.socket, record: int) -> bool:
    """Answer what a caller asks; False if it is gone."""
    request = caller.recv(4096)
    if not request:
        caller.close()
        return False
    back.sendall(request)
    back.recv(4096)
    os.write(record, RECORD)
    os.fdatasync(record)
    caller.sendall(_ANSWER)
    return True


@contextmanager
def relay(folder: Path) -> Iterator[Path]:
    """A relay whose record is in ``folder``; gives its socket."""
    path, file = folder / "relay.sock", folder / "relay.bin"
    command = [sys.executable, "-m", "tests.bench.relay", str(path), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 30
            while not path.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("bench: the relay did not start")
                time.sleep(0.02)
            yield path
        finally:
            process.communicate()
            for left in (path, file):
                left.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
