"""Kill a process at each single call by which the index of subject tags changes its folder, one process a call.

    python tests/tagkill.py FOLDER

For call 1, 2, 3 … a child works in FOLDER/<number> and is killed (SIGKILL, by itself) instead of that call; a write is
done by half first. After the last folder, the one of a child that came to its end, the number of calls is printed. Each
child notes in FOLDER/<number>.notes, a line each time, up to which record it was told that all is written, and the
oldest record that has not expired.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from tagkit import SMALL, ListLog, tag

from appliance.audit.tagindex.index import TagIndex

CHANGES = ("mkdir", "open", "pwrite", "fsync", "fdatasync", "rename", "unlink")
RECORDS = [tag(number % 7) + tag(number % 3) for number in range(22)]
FLUSHES = (6, 7, 22)
EXPIRED, EXPIRED_AT = 5, 18


def note(notes: Path, flushed: int, first: int) -> None:
    """Add a line, whole or not at all."""
    with notes.open("a") as file:
        file.write(f"{flushed} {first}\n")


def work(folder: Path, notes: Path) -> None:
    """Fill chunks, flush, merge, expire, and look up, so that every kind of change happens."""
    log = ListLog()
    index = TagIndex.open(folder, log, shape=SMALL)
    for tags in RECORDS:
        index.add(log.append(tags), tags)
        while index.indexed < log.size:
            time.sleep(0.0002)
        if log.size in FLUSHES:
            index.flush()
            note(notes, log.size, log.first)
        if log.size == EXPIRED_AT:
            log.first = EXPIRED
            note(notes, FLUSHES[-2], log.first)
            index.prune(EXPIRED)
    while index._keeper._has_work():
        time.sleep(0.0002)
    index.close()


def die_at(fatal: int) -> None:
    """Replace the calls by ones that count, and that end this process instead of the ``fatal``-th."""
    counter = itertools.count(1)

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if next(counter) == fatal:
                if name == "pwrite":
                    real(args[0], args[1][: len(args[1]) // 2], args[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return None if name.endswith("sync") else real(*args, **named)  # no machine is switched off

        return call

    for name in CHANGES:
        setattr(os, name, counted(name, getattr(os, name)))


def main() -> None:
    home = Path(sys.argv[1])
    for fatal in itertools.count(1):
        child = os.fork()
        if child == 0:
            notes = home / f"{fatal}.notes"
            note(notes, 0, 1)
            die_at(fatal)
            work(home / str(fatal), notes)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            print(fatal)
            return
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"the child of call {fatal} ended with {status}")


if __name__ == "__main__":
    main()
