"""SIGKILL at any moment: every record that was acknowledged is in the log, whole, and the log opens at once.

A small server forks a writer for each kill, so that a kill costs milliseconds; the writer acknowledges over a pipe
what `append` has made durable, and is killed at random, in the opening or under load.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from appliance.audit.log import AuditLog

KILLS = 200
SERVER = f"""
import os, random, sys
from hashlib import sha256
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from auditkit import AuditLog, conversion, checkpoint, tag
from appliance.audit import records

def write(directory, seed):
    chance = random.Random(seed)
    log = AuditLog.open(directory, segment_records=1024)
    os.write(1, b"open %d\\n" % log.size)
    while True:
        count = chance.choice((1, 1, 7, 60))
        items = [conversion(f"{{seed}} {{n}}", [tag(n)] * chance.randrange(4)) for n in range(count)]
        first = log.append(items)
        entry = records.encode(items[-1].record)
        os.write(1, b"%d %s\\n" % (first + count - 1, sha256(entry).hexdigest().encode()))
        if chance.random() < 0.1:
            log.store_checkpoint(checkpoint(log))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        write(Path(sys.argv[1]), int(line))
        os._exit(1)
    os.write(1, b"pid %d\\n" % child)
    os.write(1, b"dead %d\\n" % os.waitpid(child, 0)[1])
"""


class Writer:
    """The server, and what its children have acknowledged."""

    def __init__(self, directory: Path) -> None:
        self.acknowledged: dict[int, str] = {}
        self.opened = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill_one(self, seed: int, moment: str, seconds: float) -> None:
        """Kill so many seconds after the writer was born ("pid") or has opened the log ("open")."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        child = 0
        for words in self._lines():
            if words[0] == "pid":
                child = int(words[1])
            elif words[0] == "open":
                self.opened += 1
                assert int(words[1]) >= max(self.acknowledged, default=0), "an acknowledged record is gone"
            else:
                self.acknowledged[int(words[0])] = words[1]
            if words[0] == moment:
                time.sleep(seconds)
                os.kill(child, signal.SIGKILL)

    def _lines(self) -> Iterator[list[str]]:
        assert self._process.stdout is not None
        while (words := self._process.stdout.readline().split()) and words[0] != "dead":
            yield words
        assert words == ["dead", str(int(signal.SIGKILL))], "the writer ended by itself; see its traceback"

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(10) == 0


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path)
    yield writer
    writer.close()


def test_two_hundred_kills_lose_nothing_that_was_acknowledged(writer: Writer, tmp_path: Path) -> None:
    chance = random.Random(4)
    for seed in range(KILLS):
        writer.kill_one(seed, "open" if seed % 4 else "pid", chance.uniform(0.0, 0.02))
    assert writer.opened >= KILLS * 3 // 4
    assert writer.acknowledged
    log = AuditLog.open(tmp_path, segment_records=1024)
    assert log.size >= max(writer.acknowledged)
    for number, digest in writer.acknowledged.items():
        assert sha256(log.entry(number)).hexdigest() == digest
    for number, entry, tags in log.read(1):
        assert (log.entry(number), log.tags(number)) == (entry, tags)
    log.close()
