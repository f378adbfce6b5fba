"""A log as tiles: which there are, what they are called, and what they hold (C2SP tlog-tiles).

A tile of level l holds up to 256 hashes, each over 256**l leaves; a bundle holds the entries
themselves. `TileTree` gives the hash of any perfect subtree out of tiles, so that `merkle`
makes roots and proofs from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.tlog.errors import ProofImpossible, TileInvalid
from appliance.tlog.merkle import HASH_BYTES, parents

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
ENTRIES = -1  # the "level" of an entry bundle
HIGHEST_LEVEL = 63
LONGEST_ENTRY = 0xFFFF  # bytes; a uint16 says the length
CACHED_TILES = 64  # about 33 KB each, with the hashes inside

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile (or bundle: level ``ENTRIES``); ``width`` counts its hashes (entries), 256 if it is full.

    Raises:
        TileInvalid: no log has such a tile.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (ENTRIES <= self.level <= HIGHEST_LEVEL and self.index >= 0 and 1 <= self.width <= TILE_WIDTH):
            raise TileInvalid(f"no log has a tile of level {self.level}, index {self.index}, width {self.width}")

    @property
    def full(self) -> bool:
        """Whether it can grow no more."""
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it is served, below the log's prefix: ``tile/0/x001/067.p/5``."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.full else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{partial}"


def parse_path(path: str) -> Tile:
    """The tile of that path; the one spelling only.

    Raises:
        TileInvalid: not the path of a tile.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileInvalid("not the path of a tile, such as tile/0/x001/067 or tile/entries/000.p/5")
    level, index, width = match.groups()
    if int(level if level != "entries" else 0) > HIGHEST_LEVEL or (width and int(width) >= TILE_WIDTH):
        raise TileInvalid(f"a tile's level is at most {HIGHEST_LEVEL}, and a partial tile's width below {TILE_WIDTH}")
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(index.replace("x", "").replace("/", "")),
        int(width) if width else TILE_WIDTH,
    )
    if tile.path != path:
        raise TileInvalid(f"the path of this tile is spelled {tile.path}")
    return tile


def tile_of(level: int, index: int, size: int) -> Tile:
    """The tile of that level and index as a tree of ``size`` leaves has it: full, or as wide as it has grown.

    Raises:
        TileInvalid: that tree has no such tile.
    """
    hashes = size >> TILE_HEIGHT * max(level, 0)
    if level < ENTRIES or index < 0 or index * TILE_WIDTH >= hashes:
        raise TileInvalid(f"a tree of {size} leaves has no tile of level {level}, index {index}")
    return Tile(level, index, min(hashes - index * TILE_WIDTH, TILE_WIDTH))


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes of a tree of ``size`` leaves, partial ones too; level by level, from the left."""
    level = 0
    while size >> TILE_HEIGHT * level:
        yield from _row(level, size >> TILE_HEIGHT * level)
        level += 1


def bundles_of(size: int) -> Iterator[Tile]:
    """Every entry bundle of a tree of ``size`` leaves, from the left."""
    return _row(ENTRIES, size)


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry behind its length as a big-endian uint16.

    Raises:
        TileInvalid: no entry or more than 256, or one longer than 65,535 bytes.
    """
    if not 1 <= len(entries) <= TILE_WIDTH or any(len(entry) > LONGEST_ENTRY for entry in entries):
        raise TileInvalid(f"a bundle holds 1 to {TILE_WIDTH} entries of at most {LONGEST_ENTRY} bytes each")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle.

    Raises:
        TileInvalid: it holds fewer or more.
    """
    entries: list[bytes] = []
    place = 0
    for _ in range(width):
        start = place + 2
        end = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or end > len(data):
            raise TileInvalid(f"the bundle ends in its entry {len(entries) + 1} of {width}")
        entries.append(data[start:end])
        place = end
    if place != len(data):
        raise TileInvalid(f"the bundle goes on for {len(data) - place} bytes after its {width} entries")
    return entries


def read_hashes(data: bytes, width: int) -> list[bytes]:
    """The ``width`` hashes of a tile.

    Raises:
        TileInvalid: it is shorter or longer.
    """
    if len(data) != width * HASH_BYTES:
        raise TileInvalid(f"a tile of {width} hashes has {width * HASH_BYTES} bytes, not {len(data)}")
    return [data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)]


def tile_hash(data: bytes) -> bytes:
    """The hash over a full tile: what the tile above it holds for it.

    Raises:
        TileInvalid: it is not full.
    """
    return _perfect_levels(read_hashes(data, TILE_WIDTH))[TILE_HEIGHT][0]


class TileTree:
    """The hashes of a tree of ``size`` leaves, out of tiles that ``fetch`` gets.

    ``subtree`` goes into the functions of `merkle`. The tiles are not believed to be right by being
    fetched: whoever does not trust their source compares the root, or verifies the proofs made of them.
    """

    def __init__(self, fetch: Callable[[Tile], bytes], size: int) -> None:
        self.size = size
        self._fetch = fetch
        self._levels = lru_cache(maxsize=CACHED_TILES)(self._read)

    def subtree(self, height: int, index: int) -> bytes:
        """The hash of the leaves [index << height, (index + 1) << height).

        Raises:
            ProofImpossible: the tree does not reach that far.
            TileInvalid: a fetched tile has not the size it must have.
        """
        if height < 0 or index < 0 or (index + 1) << height > self.size:
            raise ProofImpossible(f"a tree of {self.size} leaves has no perfect subtree {index} of height {height}")
        level, inner = divmod(height, TILE_HEIGHT)
        number, place = divmod(index, TILE_WIDTH >> inner)
        return self._levels(level, number)[inner][place]

    def _read(self, level: int, index: int) -> list[list[bytes]]:
        """A tile's hashes, and above them those of every perfect subtree inside it."""
        tile = tile_of(level, index, self.size)
        return _perfect_levels(read_hashes(self._fetch(tile), tile.width))


def _row(level: int, hashes: int) -> Iterator[Tile]:
    """The tiles that hold so many hashes (entries) in a row."""
    full, width = divmod(hashes, TILE_WIDTH)
    for index in range(full):
        yield Tile(level, index)
    if width:
        yield Tile(level, full, width)


def _perfect_levels(hashes: list[bytes]) -> list[list[bytes]]:
    """The hashes, then those above every whole pair of them, and so on while there is a pair."""
    levels = [hashes]
    while len(hashes) > 1:
        hashes = parents(hashes[: len(hashes) & ~1])
        levels.append(hashes)
    return levels


def _index_path(index: int) -> str:
    """1234067 as ``x001/x234/067``."""
    last, rest = f"{index % 1000:03}", index // 1000
    while rest:
        last, rest = f"x{rest % 1000:03}/{last}", rest // 1000
    return last
