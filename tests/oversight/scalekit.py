"""A copy of a log of any size, made fast and in constant memory: what verifying millions of records is tried on.

    python -m tests.oversight.scalekit FOLDER RECORDS

makes one and says its trust anchor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from logkit import BEGIN, Log, put, sign

from appliance.tlog import tiles
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.merkle import Frontier, leaf_hash
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, Tile

PER_SECOND = 40  # records of the believable daemon


def entries(log: Log, size: int) -> Iterator[bytes]:
    """The log's own entries, then conversions until there are so many."""
    yield from log.entries
    log.convert(3, converted=2, unknown=1, reference="case-0123456789")
    template = log.entries.pop()
    time = log.clock.strftime("%Y-%m-%dT%H:%M:%S.000000Z").encode()
    head, rest = template.split(b'"record":%d' % (log.size + 1))
    middle, tail = rest.split(time)
    second, stamp = -1, b""
    for number in range(log.size + 1, size + 1):
        if (now := number // PER_SECOND) != second:
            second = now
            stamp = (BEGIN + timedelta(minutes=5, seconds=now)).strftime("%Y-%m-%dT%H:%M:%S").encode()
        yield b'%b"record":%d%b%b.%06dZ%b' % (head, number, middle, stamp, number % PER_SECOND, tail)


def make(folder: Path, size: int) -> Log:
    """A clean copy of ``size`` records; the log it stands for, with its first records only."""
    log = Log()
    log.start()
    levels: list[list[bytes]] = [[]]
    frontier, bundle, index = Frontier(), [], 0
    for entry in entries(log.fork(), size):
        bundle.append(entry)
        if len(bundle) == TILE_WIDTH:
            _flush(folder, levels, frontier, bundle, index)
            bundle, index = [], index + 1
    if bundle:
        _flush(folder, levels, frontier, bundle, index)
    _write_levels(folder, levels, size)
    for name, data in log.book.files.items():
        put(folder / "ledger" / name, data)
    put(folder / "checkpoint", sign(Checkpoint(log.origin, size, frontier.root())))
    return log


def _flush(folder: Path, levels: list[list[bytes]], frontier: Frontier, bundle: list[bytes], index: int) -> None:
    leaves = [leaf_hash(entry) for entry in bundle]
    frontier.extend(leaves)
    put(folder / Tile(ENTRIES, index, len(bundle)).path, tiles.pack_bundle(bundle))
    put(folder / Tile(0, index, len(bundle)).path, b"".join(leaves))
    if len(bundle) == TILE_WIDTH:
        levels[0].append(tiles.tile_hash(b"".join(leaves)))


def _write_levels(folder: Path, levels: list[list[bytes]], size: int) -> None:
    """The tiles above level 0; ``levels[0]`` holds the hashes over its full tiles."""
    above, level = levels[0], 1
    while above:
        following = []
        for index in range(-(-len(above) // TILE_WIDTH)):
            hashes = above[index * TILE_WIDTH : (index + 1) * TILE_WIDTH]
            put(folder / Tile(level, index, len(hashes)).path, b"".join(hashes))
            if len(hashes) == TILE_WIDTH:
                following.append(tiles.tile_hash(b"".join(hashes)))
        above, level = following, level + 1


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2])).book.anchor)
