"""What the tests of the index of subject tags share: a log in memory, and the truth that look-ups are held against."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.entries import BUCKETS, RECORD_BITS, bucket, key
from appliance.audit.tagindex.index import IndexBehind, TagIndex
from appliance.audit.tagindex.making import Here
from appliance.audit.tagindex.merging import Shape
from appliance.audit.tagindex.runs import Run

SMALL = Shape(chunk=4, fan=3)
SECONDS = 30.0


def tag(number: int) -> bytes:
    """One of many tags, no two with the same key, spread over all buckets."""
    return ((number * 0x9E3779B97F4A7C15 + number) % 2**64).to_bytes(8, "little") + number.to_bytes(8, "big")


def alike(one: bytes) -> bytes:
    """Another tag with the same first 8 bytes."""
    return one[:8] + bytes(byte ^ 0xFF for byte in one[8:])


def make_run(folder: Path, first: int, records: Sequence[bytes]) -> Run:
    """A run of records with these tags."""
    chunk = Chunk(first, 1 + sum(len(tags) for tags in records))
    assert all([chunk.add(tags) for tags in records])
    return Here(folder).write(chunk)


def contents(run: Run) -> tuple[list[int], list[int]]:
    """How many entries each bucket has, and all entries; every sum is checked on the way."""
    return run.counts.tolist(), run.buckets(0, BUCKETS).tolist()


class ListLog:
    """A log in memory; ``wrong`` is raised by whoever reads it."""

    def __init__(self, tags: Sequence[bytes] = ()) -> None:
        self.first = 1
        self.stored = list(tags)
        self.wrong: Exception | None = None

    @property
    def size(self) -> int:
        return len(self.stored)

    def append(self, tags: bytes) -> int:
        self.stored.append(tags)
        return self.size

    def read(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        for record in range(first, self.size + 1):
            if self.wrong is not None:
                raise self.wrong
            yield record, b"", self.stored[record - 1]

    def truth(self, tags: Sequence[bytes], before: int | None = None, limit: int = 100) -> list[int]:
        """What a look-up must give: all records with a tag that no entry could tell from one of these."""
        wanted = {_told(one) for one in tags}
        end = self.size + 1 if before is None else min(before, self.size + 1)
        numbers = range(end - 1, self.first - 1, -1)
        return [number for number in numbers if wanted & _all_told(self.stored[number - 1])][:limit]


def _told(one: bytes) -> tuple[int, int]:
    return bucket(key(one)), key(one) % 2 ** (64 - RECORD_BITS)


def _all_told(tags: bytes) -> set[tuple[int, int]]:
    return {_told(tags[at : at + 16]) for at in range(0, len(tags), 16)}


def caught_up(index: TagIndex, log: ListLog) -> None:
    """Wait until it has all of the log."""
    wait_for(lambda: index.indexed >= log.size and index.trouble is None)


def wait_for(wanted: Callable[[], bool]) -> None:
    """Wait until the function says so."""
    end = time.monotonic() + SECONDS
    while not wanted():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.001)


def find(index: TagIndex, tags: Sequence[bytes], before: int | None = None, limit: int = 100) -> list[int]:
    """Look up as soon as the index answers."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return index.find(tags, before=before, limit=limit)
        except IndexBehind:
            assert time.monotonic() < end, "it stays behind"
            time.sleep(0.001)


def add(index: TagIndex, log: ListLog, *records: bytes) -> None:
    """Append records with these tags to the log, and tell the index of each."""
    for tags in records:
        index.add(log.append(tags), tags)


def filled(folder: Path, log: ListLog, count: int = 30) -> None:
    """An index of ``count`` records with two tags each, of seven people, closed."""
    with contextlib.closing(TagIndex.open(folder, log, shape=SMALL)) as index:
        add(index, log, *(tag(number % 7) + tag(number % 5) for number in range(count)))
        caught_up(index, log)


def run_files(folder: Path) -> list[Path]:
    """The runs, oldest first."""
    return sorted(folder.glob("*.run"))
