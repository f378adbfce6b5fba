"""What does a caller notice who asks properly, all the while? A process of its own, at a steady pace."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.daemonkit import JSON, UnixConnection

RATE = 40.0  # requests a second


@dataclass
class Noticed:
    """Seconds for each answer, by phase; and whatever was not the right answer."""

    took: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def run(pipe: Connection, path: Path, question: dict[str, object], expected: list[str]) -> None:
    """The process. Over ``pipe`` come the names of phases, "" for the end; back goes what was noticed."""
    noticed, phase = Noticed(), ""
    body = json.dumps(question).encode()
    pipe.send(0)  # ready
    with contextlib.closing(UnixConnection(path, timeout=30)) as connection:
        while True:
            begin = time.monotonic()
            if pipe.poll():
                phase = pipe.recv()
                if not phase:
                    break
            _ask(connection, body, expected, noticed, noticed.took.setdefault(phase, []))
            time.sleep(max(0.0, begin + 1 / RATE - time.monotonic()))
    noticed.took.pop("", None)
    pipe.send(noticed)


def _ask(connection: UnixConnection, body: bytes, expected: list[str], noticed: Noticed, took: list[float]) -> None:
    begin = time.perf_counter()
    connection.request("POST", "/v1/convert", body, JSON)
    with connection.getresponse() as response:
        said = response.read()
    took.append(time.perf_counter() - begin)
    if response.status != 200 or [result.get("number") for result in json.loads(said)["results"]] != expected:
        noticed.wrong.append(f"{response.status} {said[:200]!r}")
