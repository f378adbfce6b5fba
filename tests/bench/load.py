"""A small load generator: many keep-alive HTTP clients over one Unix socket, in one thread.

It is written for little overhead of its own, since it shares the machine with what it measures; every
answer is compared with the one that is known to be right, so that speed never hides a wrong number.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class WrongAnswer(AssertionError):
    """The daemon answered something else than the known number."""


@dataclass(frozen=True)
class Load:
    """What one run saw. Latencies in seconds, one a request, sorted."""

    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        """Requests a second over the whole run."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Latency below which ``percent`` of the requests stayed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]


def request_bytes(source: str, target: str, purpose: str, number: str) -> bytes:
    """One whole HTTP request for one number."""
    body = json.dumps(
        {"source": source, "target": target, "purpose": purpose, "reference": "bench", "numbers": [number]}
    ).encode()
    head = (
        "POST /v1/convert HTTP/1.1\r\nHost: kagimori\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Caller:
    """One client: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.received = b""
        self.started = 0.0
        self.expected = b""

    def ask(self, request: bytes, expected: bytes) -> None:
        self.received, self.expected, self.started = b"", expected, time.perf_counter()
        self.socket.sendall(request)

    def finished(self) -> bool:
        """Read what is there; True when the answer is whole and right."""
        data = self.socket.recv(65536)
        if not data:
            raise WrongAnswer("the daemon closed the connection")
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith(b"HTTP/1.1 200") or self.expected not in body:
            raise WrongAnswer(self.received.decode("utf-8", "replace"))
        return True


def run(path: Path, pairs: Sequence[tuple[bytes, bytes]], clients: int, seconds: float) -> Load:
    """Let ``clients`` callers ask ``pairs`` (request, expected text in the answer) round robin for ``seconds``."""
    callers = [_Caller(path) for _ in range(clients)]
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
        begin = time.perf_counter()
        asked = 0
        for caller in callers:
            caller.ask(*pairs[asked % len(pairs)])
            asked += 1
        waiting = clients
        while waiting:
            for key, _ in selector.select(timeout=10):
                caller = key.data
                if not caller.finished():
                    continue
                now = time.perf_counter()
                latencies.append(now - caller.started)
                if now - begin < seconds:
                    caller.ask(*pairs[asked % len(pairs)])
                    asked += 1
                else:
                    waiting -= 1
        elapsed = time.perf_counter() - begin
    for caller in callers:
        caller.socket.close()
    return Load(elapsed, sorted(latencies))
