"""How long one person's history takes, at 1, 10 and 100 million stored tags: look-up, reading, and making sure of each.

Asked are people with no, one and twenty conversions, with the files in memory (warm) and put out of it before each
question (cold). The log is a stand-in: a file of tags, 8,192 a record, the most there can be. The index is the real
one. Processor time stands beside the time that passed, because on a busy machine most of the latter is waiting.

    python -m tests.bench.history [SIZE …]
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from appliance.audit import lookup, records
from appliance.audit.tagindex.index import TagIndex

SIZES = (1_000_000, 10_000_000, 100_000_000)
TAG = 16
PER_RECORD = 8_192
PEOPLE = 100  # of each kind
HITS = (0, 1, 20)


class Row(NamedTuple):
    """One kind of person at one size: milliseconds; and what growing to that size cost the processor for each tag."""

    tags: int
    hits: int
    warm_p50: float
    warm_p95: float
    cold_p50: float
    cold_p95: float
    processor_p95: float
    nanoseconds_a_tag: float
    index_megabytes: float


class TagFile:
    """Stands in for the log: records of 8,192 random tags each."""

    first = 1

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.path = path
        self._file = path.open("xb+", buffering=0)

    def append(self, tags: bytes) -> int:
        self._file.write(tags)
        self.size += 1
        return self.size

    def tags(self, record: int) -> bytes:
        return os.pread(self._file.fileno(), PER_RECORD * TAG, (record - 1) * PER_RECORD * TAG)

    def entry(self, record: int) -> bytes:
        asked = {"role": "hub", "uid": 1, "gid": 1, "pid": 1, "source": "sspin.B.1", "target": "sspin.E.1"}
        counted = {"count": PER_RECORD, "converted": PER_RECORD, "malformed": 0, "unknown": 0}
        return records.encode(records.Conversion(record=record, purpose="exchange", reference="", **asked, **counted))  # type: ignore[arg-type]

    def read(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        for record in range(first, self.size + 1):
            yield record, b"", self.tags(record)

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def measure(sizes: Sequence[int] = SIZES) -> list[Row]:
    """Rows for each size (rounded up to whole records), ascending. Takes 24 bytes of disk a tag for a while."""
    random = np.random.Generator(np.random.SFC64(4))
    with tempfile.TemporaryDirectory(prefix="kagimori-history-") as name:
        folder = Path(name)
        log = TagFile(folder / "log")
        index = TagIndex.open(folder / "tags", log)
        try:
            return [row for size in sizes for row in _at(size, folder, log, index, random)]
        finally:
            index.close()
            log.close()


def _at(size: int, folder: Path, log: TagFile, index: TagIndex, random: np.random.Generator) -> Iterator[Row]:
    new = max(*HITS, -(-size // PER_RECORD) - log.size)
    people = [[random.bytes(TAG) for _ in range(PEOPLE)] for _ in HITS]
    cost = _grow(new, _places(new, people, random), log, index, random)
    runs = folder / "tags"
    megabytes = sum(file.stat().st_size for file in runs.iterdir()) / 1e6
    for hits, tags in zip(HITS, people, strict=True):
        cold = [_ask(log, index, tag, hits, [log.path, *runs.iterdir()]) for tag in tags]
        warm = [_ask(log, index, tag, hits, []) for tag in tags]
        passed = [*_percentiles([one for one, _ in warm]), *_percentiles([one for one, _ in cold])]
        yield Row(index.tags, hits, *passed, _percentiles([one for _, one in cold])[1], cost, megabytes)


def _places(new: int, people: list[list[bytes]], random: np.random.Generator) -> dict[int, list[bytes]]:
    """In which of the new records each person's tags stand, by chance."""
    places: dict[int, list[bytes]] = {}
    for hits, tags in zip(HITS, people, strict=True):
        for tag in tags:
            for at in random.choice(new, hits, replace=False).tolist():
                places.setdefault(at, []).append(tag)
    return places


def _grow(
    new: int, places: dict[int, list[bytes]], log: TagFile, index: TagIndex, random: np.random.Generator
) -> float:
    """Add records until nothing is left to write or to merge; nanoseconds of processor time for each tag."""
    begin, aside = time.process_time(), 0.0
    for at in range(new):
        mine = time.thread_time()
        planted = b"".join(places.get(at, []))
        tags = planted + random.bytes(PER_RECORD * TAG - len(planted))
        log.append(tags)
        aside += time.thread_time() - mine
        index.add(log.size, tags)
        while index.indexed < log.size:  # there was no room
            time.sleep(0.001)
    index.flush()
    while index._keeper._has_work():
        time.sleep(0.01)
    cost = time.process_time() - begin - aside
    log.sync()
    return 1e9 * cost / (new * PER_RECORD)


def _ask(log: TagFile, index: TagIndex, tag: bytes, hits: int, put_out: Sequence[Path]) -> tuple[float, float]:
    """One person's history: milliseconds that passed, and those of the processor."""
    for path in put_out:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin, processor = time.perf_counter(), time.thread_time()
    found = lookup.conversions(log, index, [tag])
    passed, processor = time.perf_counter() - begin, time.thread_time() - processor
    if len(found) != hits:
        raise SystemExit(f"bench: a history has {len(found)} conversions, not {hits}")
    return 1e3 * passed, 1e3 * processor


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def main() -> None:
    """Print the rows."""
    rows = measure([int(float(size)) for size in sys.argv[1:]] or SIZES)
    table = Table(title="one person's history, milliseconds", title_justify="left")
    names = ("tags", "hits", "warm p50", "p95", "cold p50", "p95", "CPU p95", "ns a tag", "MB")
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        *times, cost, megabytes = row[2:]
        shown = [f"{value:.2f}" for value in times]
        table.add_row(f"{row.tags:,}", str(row.hits), *shown, f"{cost:.0f}", f"{megabytes:,.0f}")
    Console().print(table)
    Console().print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
