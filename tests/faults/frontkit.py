"""Callers who misbehave on a daemon's socket: raw connections, crowds of them, and what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.daemonkit import Daemon
from tests.world import World

PATIENCE = 30.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


def connect(world: World, role: str = "hub", timeout: float = PATIENCE) -> socket.socket:
    """A connection that has said nothing yet."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(world.socket(role)))  # with no timeout yet: it waits for its place in the queue
    connection.settimeout(timeout)
    return connection


def everything(connection: socket.socket) -> bytes:
    """What is answered until the daemon closes; a reset, because it did not want the rest, is such an end."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            answer += data
    return answer


def tell(world: World, data: bytes, role: str = "hub") -> bytes:
    """All that is answered to some bytes until the daemon closes the connection."""
    with connect(world, role) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        return everything(connection)


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers in it; there may be none in the body of another."""
    return [int(status) for status in _STATUS.findall(answer)]


def problem(answer: bytes) -> tuple[int, str, str]:
    """Status, code and sentence of the one answer, which is a problem document."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(statuses(answer)) == 1, answer
    assert b"Content-Type: application/problem+json" in head
    said = json.loads(body)
    return int(head.split()[1]), said["code"], said["detail"]


@contextlib.contextmanager
def crowd(world: World, role: str, count: int, says: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections at once, each of which says something and does not read."""
    with contextlib.ExitStack() as stack:
        callers = []
        for _ in range(count):
            callers.append(stack.enter_context(connect(world, role)))
            if says:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    callers[-1].sendall(says)
        yield callers


def answered(callers: list[socket.socket]) -> list[bytes]:
    """What those have got who got something, or were closed, so far."""
    found = []
    for caller in callers:
        caller.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            found.append(caller.recv(1 << 16))
        caller.settimeout(PATIENCE)
    return found


def processor_seconds(daemon: Daemon) -> float:
    """How long it has worked."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def times(daemon: Daemon, count: int, role: str = "numbering") -> list[float]:
    """How long a well-behaved caller waits for each of some answers, seconds, in order of size."""
    took = []
    for _ in range(count):
        begin = time.monotonic()
        reply = daemon.convert("resident", "sspin.A", ["00000000042"], role=role)
        assert reply.status == 200, reply
        took.append(time.monotonic() - begin)
    return sorted(took)
